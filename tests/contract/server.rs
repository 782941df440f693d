//! A server that says exactly what a test wants, byte by byte.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use paperspace_operator::paperspace::{Budget, Client, ClientOptions};
use secrecy::SecretString;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub const KEY: &str = "0123456789abcdef0123456789abcdef";

/// What a connection does once the request has been read.
#[derive(Clone, Debug)]
pub enum Answer {
    /// These bytes, then the end.
    Raw(Vec<u8>),
    /// Nothing, for longer than anyone waits.
    Silence,
    /// A head that promises a body without an end, and keeps the promise.
    Endless,
}

/// A reply as it should be.
pub fn reply(status: u16, headers: &str, body: &str) -> Answer {
    let length = body.len();
    Answer::Raw(format!("HTTP/1.1 {status} X\r\n{headers}connection: close\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes())
}

/// A JSON reply as it should be.
pub fn json(status: u16, body: &str) -> Answer {
    reply(status, "content-type: application/json\r\n", body)
}

pub struct Server {
    pub url: String,
    requests: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Gives one answer to each connection, in order; to more connections than answers a 500.
    pub async fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let mut answers: VecDeque<Answer> = answers.into_iter().collect();
        let seen = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let answer = answers.pop_front().unwrap_or_else(|| reply(500, "", "no answer was prepared for this"));
                let seen = Arc::clone(&seen);
                tokio::spawn(async move {
                    let Some(request) = read_request(&mut stream).await else { return };
                    seen.lock().unwrap().push(request);
                    give(&mut stream, answer).await;
                });
            }
        });
        Self { url, requests, task }
    }

    /// The requests so far, each with head and body.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    pub fn client(&self) -> Client {
        client(&self.url)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn give(stream: &mut TcpStream, answer: Answer) {
    match answer {
        Answer::Raw(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Answer::Silence => tokio::time::sleep(Duration::from_mins(10)).await,
        Answer::Endless => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n\"").await;
            while stream.write_all(&[b'x'; 8192]).await.is_ok() {}
        }
    }
}

/// One request, head and body; `None` at the end of the connection.
pub async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let read = stream.read(&mut chunk).await.ok()?;
        if read == 0 {
            return None;
        }
        bytes.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:").map(|n| n.trim().parse::<usize>().unwrap()));
        if body.len() >= length.unwrap_or(0) {
            return Some(text);
        }
    }
}

pub fn budget() -> Arc<Budget> {
    let many = NonZeroU32::new(1000).unwrap();
    Arc::new(Budget::new(many, many))
}

pub fn options(url: &str) -> ClientOptions {
    ClientOptions { base_url: url.to_owned(), request_timeout: Duration::from_secs(5), ..ClientOptions::default() }
}

pub fn client(url: &str) -> Client {
    Client::new(&options(url), SecretString::from(KEY), budget()).unwrap()
}
