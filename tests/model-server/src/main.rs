//! A stand-in for vLLM's OpenAI-compatible server, for a node that has no GPU and no model. It is a fake in one respect:
//! what it loads is a sleep. For the kubelet it behaves as the original does: nothing listens until the model has been
//! loaded; then `/health` answers 200; it ends on SIGTERM; and once it hangs, it still takes connections, answers none
//! of them and minds no signal.
//!
//! Flags are vLLM's. `--model` and `--port` count, the others are taken and ignored. `LOAD_SECONDS` in the environment
//! says how long the model takes to load. `POST /hang` makes it hang once that request has been answered.

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Set once, by the request to hang.
static HUNG: AtomicBool = AtomicBool::new(false);

/// The most bytes of a request's head that are read.
const HEAD: u64 = 16 * 1024;

fn main() -> io::Result<()> {
    let options = Options::read(env::args().skip(1));
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    thread::spawn(move || {
        for _ in signals.forever() {
            if !HUNG.load(Ordering::SeqCst) {
                process::exit(0);
            }
        }
    });
    log(&format!("loading {} for {} s", options.model, options.load.as_secs()));
    thread::sleep(options.load);
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, options.port))?;
    log(&format!("serving on port {}", options.port));
    for stream in listener.incoming() {
        // A client that went away before it was taken in is no reason to stop.
        let Ok(stream) = stream else { continue };
        let model = options.model.clone();
        thread::spawn(move || answer(stream, &model));
    }
    Ok(())
}

/// What the command line and the environment ask for.
struct Options {
    model: String,
    port: u16,
    load: Duration,
}

impl Options {
    fn read(arguments: impl Iterator<Item = String>) -> Self {
        let mut options = Self { model: "facebook/opt-125m".to_owned(), port: 8000, load: Duration::ZERO };
        let mut arguments = arguments.peekable();
        while let Some(argument) = arguments.next() {
            let (flag, value) = match argument.split_once('=') {
                Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
                None => {
                    // The value of a flag stands behind it; `serve` and flags without a value do not take one.
                    let value = arguments.next_if(|next| argument.starts_with("--") && !next.starts_with("--"));
                    (argument, value)
                }
            };
            match (flag.as_str(), value) {
                ("--model", Some(value)) => options.model = value,
                ("--port", Some(value)) => options.port = value.parse().unwrap_or(options.port),
                _ => {}
            }
        }
        let seconds = env::var("LOAD_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
        options.load = Duration::from_secs(seconds.unwrap_or(0));
        options
    }
}

/// Answers one request and closes the connection; once the server hangs, keeps it open without a word.
fn answer(stream: TcpStream, model: &str) {
    if HUNG.load(Ordering::SeqCst) {
        loop {
            thread::park();
        }
    }
    // A client that does not ask, or does not listen, has only itself to blame.
    let _ = respond(stream, model);
}

fn respond(mut stream: TcpStream, model: &str) -> io::Result<()> {
    let request = request_line(&stream)?;
    let mut words = request.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    let (status, body) = match (method, path) {
        ("GET", "/health") => ("200 OK", String::new()),
        ("GET", "/v1/models") => {
            let model = model.replace('\\', "\\\\").replace('"', "\\\"");
            ("200 OK", format!(r#"{{"object":"list","data":[{{"id":"{model}","object":"model","owned_by":"vllm"}}]}}"#))
        }
        ("POST", "/hang") => {
            HUNG.store(true, Ordering::SeqCst);
            log("hanging from now on");
            ("200 OK", String::new())
        }
        _ => ("404 Not Found", r#"{"detail":"Not Found"}"#.to_owned()),
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// The first line of a request, of which the headers are read too; no request that means something here has a body.
fn request_line(stream: &TcpStream) -> io::Result<String> {
    let mut lines = BufReader::new(stream.take(HEAD)).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    Ok(request)
}

/// One line in the log of the container.
fn log(text: &str) {
    // Where nobody takes the line there is nobody to tell.
    let _ = writeln!(io::stdout(), "{text}");
}
