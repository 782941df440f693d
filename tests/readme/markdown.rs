//! As much Markdown as the README is written in.

/// A fenced block.
#[derive(Debug)]
pub(crate) struct Block {
    /// The heading that it stands under.
    pub(crate) heading: String,
    /// What is written behind the fence.
    pub(crate) language: String,
    pub(crate) text: String,
}

impl Block {
    /// The name of the file that the block is: a comment in its first line.
    pub(crate) fn file(&self) -> Option<&str> {
        let name = self.text.lines().next()?.strip_prefix("# ")?;
        [".yaml", ".sh"].iter().any(|end| name.ends_with(end) && !name.contains(' ')).then_some(name)
    }

    /// Commands to be run as they stand there.
    pub(crate) fn is_run(&self) -> bool {
        self.language == "sh" && self.file().is_none()
    }
}

/// The fenced blocks, in order. A block in a list is indented with it.
pub(crate) fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let (mut heading, mut open) = (String::new(), None::<usize>);
    for line in markdown.lines() {
        let content = line.trim_start();
        match (open, content.strip_prefix("```")) {
            (None, Some(language)) => {
                open = Some(line.len() - content.len());
                blocks.push(Block { heading: heading.clone(), language: language.to_owned(), text: String::new() });
            }
            (Some(_), Some(_)) => open = None,
            (Some(indent), None) => {
                let text = &mut blocks.last_mut().unwrap().text;
                text.push_str(line.get(indent..).unwrap_or_default());
                text.push('\n');
            }
            (None, None) => {
                if let Some(title) = content.strip_prefix('#') {
                    title.trim_start_matches('#').trim().clone_into(&mut heading);
                }
            }
        }
    }
    assert_eq!(open, None, "a block is not closed");
    blocks
}

/// The text without its fenced blocks.
pub(crate) fn prose(markdown: &str) -> String {
    let mut inside = false;
    let outside = markdown.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        !inside && !fence
    });
    outside.collect::<Vec<_>>().join("\n")
}

/// What stands between backticks.
pub(crate) fn code(prose: &str) -> Vec<&str> {
    prose.split('`').skip(1).step_by(2).collect()
}

/// Where links lead.
pub(crate) fn links(prose: &str) -> Vec<&str> {
    prose.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect()
}

/// The names that headings are linked by.
pub(crate) fn anchors(prose: &str) -> Vec<String> {
    let kept = |c: char| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c.to_ascii_lowercase()),
        _ => None,
    };
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| line.trim_start_matches('#').trim().chars().filter_map(kept).collect()).collect()
}

/// The first column of the table under this header cell.
pub(crate) fn first_column<'a>(prose: &'a str, header: &str) -> Vec<&'a str> {
    let cell = |line: &'a str| line.trim_matches('|').split('|').next().unwrap().trim();
    let rows = prose.lines().skip_while(|line| !(line.starts_with('|') && cell(line) == header));
    let rows: Vec<&str> = rows.skip(2).take_while(|line| line.starts_with('|')).map(cell).collect();
    assert!(!rows.is_empty(), "there is no table of {header}");
    rows
}
