//! Lists: complete, or an error.

use paperspace_operator::paperspace::Error;

use crate::server::{Server, json};

fn row(id: &str, name: &str) -> String {
    format!(
        r#"{{"id":"{id}","name":"{name}","state":"off","machineType":"C5","region":"East Coast (NY2)","publicIpType":"none","dtCreated":"2024-04-30T15:51:24.565Z"}}"#
    )
}

fn page(rows: &[String], more: &str) -> String {
    format!(r#"{{"items":[{}],{more}}}"#, rows.join(","))
}

#[tokio::test]
async fn all_pages_are_read_and_rows_that_come_twice_are_kept_once() {
    let server = Server::new([
        json(200, &page(&[row("ps1", "a"), row("ps2", "b")], r#""hasMore":true,"nextPage":"ps2""#)),
        json(200, &page(&[row("ps2", "renamed"), row("ps3", "c")], r#""hasMore":true,"nextPage":"ps3 &""#)),
        json(200, &page(&[], r#""hasMore":true,"nextPage":"ps4""#)),
        json(200, &page(&[row("ps5", "d")], r#""hasMore":false,"nextPage":"ps5""#)),
    ])
    .await;
    let machines = server.client().list_machines().await.unwrap();
    let told: Vec<_> = machines.iter().map(|machine| (machine.id.as_str(), machine.name.as_str())).collect();
    assert_eq!(told, [("ps1", "a"), ("ps2", "renamed"), ("ps3", "c"), ("ps5", "d")]);
    let afters: Vec<_> =
        server.requests().iter().map(|request| request.lines().next().unwrap().split("limit=120").nth(1).unwrap().to_owned()).collect();
    assert_eq!(afters, [" HTTP/1.1", "&after=ps2 HTTP/1.1", "&after=ps3+%26 HTTP/1.1", "&after=ps4 HTTP/1.1"]);
}

#[tokio::test]
async fn the_end_is_told_in_any_way() {
    for more in [r#""hasMore":false"#, r#""hasMore":false,"nextPage":null"#, r#""hasMore":false,"nextPage":"ps1","total":1"#] {
        let server = Server::new([json(200, &page(&[row("ps1", "a")], more))]).await;
        assert_eq!(server.client().list_machines().await.unwrap().len(), 1, "{more}");
    }
}

#[tokio::test]
async fn a_part_is_an_error() {
    let first = json(200, &page(&[row("ps1", "a")], r#""hasMore":true,"nextPage":"ps1""#));
    // A page that fails, a page that cannot be read, a row that cannot be read.
    for second in [json(500, ""), json(200, "{}"), json(200, &page(&["{}".to_owned()], r#""hasMore":false"#))] {
        let server = Server::new([first.clone(), second]).await;
        server.client().list_machines().await.unwrap_err();
    }
}

#[tokio::test]
async fn an_unreadable_row_is_named() {
    let broken = row("ps2", "b").replace("2024-04-30T", "yesterday ");
    let server = Server::new([json(200, &page(&[row("ps1", "a"), broken], r#""hasMore":false"#))]).await;
    let error = server.client().list_machines().await.unwrap_err();
    assert!(matches!(&error, Error::BadPayload { path, .. } if path == "items[1].dtCreated"), "{error:?}");
}

#[tokio::test]
async fn a_cursor_that_does_not_move_ends_in_an_error() {
    let next = |cursor: &str| json(200, &page(&[], &format!(r#""hasMore":true,"nextPage":{cursor}"#)));
    for pages in
        [vec![next("null")], vec![next("\"\"")], vec![next("\"a\""), next("\"a\"")], vec![next("\"a\""), next("\"b\""), next("\"a\"")]]
    {
        let expected = pages.len();
        let server = Server::new(pages).await;
        let error = server.client().list_machines().await.unwrap_err();
        assert!(matches!(&error, Error::BadPayload { path, .. } if path == "nextPage"), "{error:?}");
        assert_eq!(server.requests().len(), expected);
    }
}

#[tokio::test]
async fn a_list_without_an_end_ends() {
    let server = Server::new((0..1100).map(|n| json(200, &page(&[], &format!(r#""hasMore":true,"nextPage":"c{n}""#))))).await;
    let error = server.client().list_machines().await.unwrap_err();
    assert!(matches!(&error, Error::BadPayload { message, .. } if message.contains("does not end")), "{error:?}");
    assert_eq!(server.requests().len(), 1000);
}
