//! The commands of `docs/image.md`, in their order, those apart that are marked as not tried.

use std::fs;

use super::markdown::blocks;
use super::store::{Image, command};
use super::{output, top};

#[test]
fn the_commands_work_in_their_order() {
    Image::shared();
    let document = fs::read_to_string(top().join("docs/image.md")).unwrap();
    let mut ids = Vec::new();
    let run: Vec<String> = blocks(&document).into_iter().filter(|block| block.language == "sh").map(|block| block.text).collect();
    assert!(run.len() > 4, "{} blocks: they are not found any more", run.len());
    for text in run {
        let said = output(command("bash").args(["-euo", "pipefail", "-c", &text]));
        println!("$ {text}{said}");
        if text.contains("two:test") {
            ids.extend(said.lines().map(|line| line.split(' ').nth(1).unwrap().to_owned()));
        }
    }
    assert!(ids.len() == 2 && ids[0] == ids[1], "{ids:?}");
}
