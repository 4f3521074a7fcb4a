//! Random edits over real and small files, checked by reading the whole new text and by comparing lines.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking and tells its figures")]

mod support;

use std::collections::BTreeMap;

use buttress_policies::edit::Edit;
use buttress_policies::path::Path;
use buttress_yaml::{File, edit};
use serde_json::{Value, json};
use support::{Random, corpus, same};

const STRINGS: &[&str] = &[
    "plain",
    "y",
    "N",
    "on",
    "off",
    "yes",
    "null",
    "~",
    "",
    "1",
    "1_000",
    "08",
    "0x1F",
    "1e3",
    "1e400",
    ".inf",
    "a: b",
    "a #b",
    "- x",
    "*a",
    "&a",
    "!t",
    "{a}",
    "[b]",
    "# c",
    " lead",
    "trail ",
    "it's",
    "say \"hi\"",
    "back\\slash",
    "tab\there",
    "é😀",
    "line\nline2\n",
    "line\nline2",
    "\n",
    "  two\nthree",
    "a\n\n\nb\n",
    "a\n\n",
    "a \n b",
    "---",
    "--- x\n---\n",
    "<<",
    "=",
    "2001-01-01",
    "1:30",
    "%x",
    "@x",
    "`x",
    "a:",
    "\u{85}\u{2028}",
    "\u{7}",
    "\r\n",
    "nvidia.com/gpu",
    "{{ x }}",
    "a,b",
    "?",
    "? x",
    "-",
    "\u{feff}",
    "x\t\n\ty\n",
];

fn value(random: &mut Random) -> Value {
    match random.below(12) {
        0 => json!(random.below(100_000)),
        1 => json!(true),
        2 => Value::Null,
        3 => json!({}),
        4 => json!([]),
        5 => json!({"cpu": "1", "nvidia.com/gpu": 1, "note": *random.pick(STRINGS)}),
        6 => {
            json!([{"name": *random.pick(STRINGS), "args": ["-c", *random.pick(STRINGS)]}, *random.pick(STRINGS), [1, [2]]])
        }
        7 => {
            json!({"httpGet": {"path": "/health", "port": "http", "headers": [{"name": "a", "value": "b\nc\n"}]}, "n": [] })
        }
        _ => json!(*random.pick(STRINGS)),
    }
}

/// All paths of a value, and what is there.
fn paths<'a>(value: &'a Value, here: Path, all: &mut Vec<(Path, &'a Value)>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| paths(value, here.key(key), all)),
        Value::Array(items) => items.iter().enumerate().for_each(|(at, value)| paths(value, here.index(at), all)),
        _ => {}
    }
    all.push((here, value));
}

fn random_edit(random: &mut Random, value_now: &Value) -> Edit {
    let mut all = Vec::new();
    paths(value_now, Path::root(), &mut all);
    loop {
        let (path, here) = random.pick(&all).clone();
        match random.below(6) {
            0 if !path.is_root() => return Edit::Set { path, value: value(random) },
            1 if !path.is_root() && !here.is_object() && !here.is_array() => {
                return Edit::Set { path, value: json!(*random.pick(STRINGS)) };
            }
            2 if here.is_object() => {
                let key = ["new", "on", "nvidia.com/gpu", "a~b", "a: b", "1", ""][random.below(7)];
                let path = if random.chance(3) { path.key("nested").key(key) } else { path.key(key) };
                return Edit::Set { path, value: value(random) };
            }
            3 if here.is_array() => return Edit::Append { path, value: value(random) },
            3 if here.is_object() => return Edit::Append { path: path.key("newList"), value: value(random) },
            4 | 5 if !path.is_root() => return Edit::Remove { path },
            _ => {}
        }
    }
}

/// The documents of a text as JSON or in braces, since people feed those, too.
fn in_braces(random: &mut Random, text: &str) -> Option<String> {
    let file = File::parse(text);
    let value = file.documents().iter().find_map(|document| document.value().ok())?;
    let pretty = serde_json::to_string_pretty(value).unwrap();
    Some(match random.below(6) {
        0 => value.to_string(),
        1 => pretty + "\n",
        2 => pretty.replace("  ", "    ") + "\n",
        3 => pretty.replace("  ", "\t"),
        4 => format!("# braces\n{pretty}\n---\nlast: 1\n"),
        _ => format!("a: 1\nb: {} # behind\nc: [x]\n", value).replace("\\/", "/"),
    })
}

/// The same document with comments and blank lines strewn in, with other line ends, or without a final newline.
fn varied(random: &mut Random, text: &str) -> String {
    let mut out = String::new();
    let crlf = random.chance(6);
    let strewn = random.chance(2);
    for line in text.lines() {
        if strewn && random.chance(8) {
            let strewn: &str = random.pick::<&str>(&["# strewn", "", "    # deep", "  # two"]);
            out.push_str(strewn);
            out.push('\n');
        }
        out.push_str(line);
        if strewn && random.chance(10) && !line.trim().is_empty() {
            out.push_str(" # behind");
        }
        out.push('\n');
    }
    if random.chance(5) && !out.ends_with("\n\n") {
        out.truncate(out.trim_end_matches('\n').len());
    }
    let out = if crlf { out.replace('\n', "\r\n") } else { out };
    if random.chance(20) { format!("\u{feff}{out}") } else { out }
}

#[derive(Default)]
struct Tally {
    edits: usize,
    done: usize,
    failures: Vec<String>,
    refusals: BTreeMap<String, usize>,
    defects: usize,
    plainly_refused: usize,
}

/// Whether a text has what an edit may refuse with good reason.
fn is_odd(text: &str) -> bool {
    let indicator = |mark: char| {
        text.lines().any(|line| line.split([' ', '[', ',', '{']).any(|word| word.starts_with(mark) && word.len() > 1))
    };
    indicator('&') || indicator('*') || indicator('!') || text.lines().any(|line| line.contains("? "))
}

fn check(text: &str, document: usize, one: &Edit, tally: &mut Tally) {
    let file = File::parse(text);
    let documents = file.documents();
    let mut expected = documents[document].value().unwrap().clone();
    if one.apply(&mut expected).is_err() {
        return;
    }
    tally.edits += 1;
    let new = match edit(&file, document, std::slice::from_ref(one)) {
        Ok(new) => new,
        Err(refusal) => {
            let reason: String =
                refusal.reason.chars().map(|letter| if letter.is_ascii_digit() { 'N' } else { letter }).collect();
            *tally.refusals.entry(reason).or_default() += 1;
            if !is_odd(text) && documents[document].duplicate_keys().is_empty() {
                tally.plainly_refused += 1;
                if tally.plainly_refused < 12 {
                    println!("refused: {refusal} for {one:?}");
                }
            }
            if refusal.defect {
                tally.defects += 1;
                if tally.defects <= 12 {
                    println!("defect: {refusal} for {one:?}\n<<<\n{}\n>>>", excerpt(&file, document, one));
                }
            }
            return;
        }
    };
    tally.done += 1;
    let mut fail = |why: &str| {
        if tally.failures.len() < 20 {
            tally.failures.push(format!(
                "{why}: {one:?}\n<<<\n{}\n>>>\n{}",
                excerpt(&file, document, one),
                changed(text, &new)
            ));
        } else {
            tally.failures.push(String::new());
        }
    };
    let after = File::parse(new.as_str());
    if after.documents().len() != documents.len() {
        return fail("another number of documents");
    }
    for (number, (old, now)) in documents.iter().zip(after.documents()).enumerate() {
        let wanted = if number == document { Ok(&expected) } else { old.value() };
        match (wanted, now.value()) {
            (Ok(wanted), Ok(now)) if same(wanted, now) => {}
            (Err(_), Err(_)) => {}
            _ => return fail("another value"),
        }
    }
    // Every byte outside the touched region is the same: the region reaches from the parent of what is changed, or the
    // nearest thing there, to the end of its lines.
    let path = one.path();
    let mut nearest = path.clone();
    while !documents[document].locate(&nearest).found {
        nearest = nearest.parent().unwrap();
    }
    let located = documents[document].locate(&nearest);
    let up = nearest.parent().map(|up| documents[document].locate(&up)).unwrap_or(located.clone());
    let (from, to) = (up.value.start.min(located.value.start), up.value.end.max(located.value.end));
    let from = up.key.map_or(from, |key| key.start.min(from));
    let head = new.bytes().zip(text.bytes()).take_while(|(one, other)| one == other).count();
    let tail = new.bytes().rev().zip(text.bytes().rev()).take_while(|(one, other)| one == other).count();
    // Comments below may be passed over, so the start of the change is what is held here.
    if head + 2 < from && !new.is_empty() {
        return fail("changed before the place");
    }
    let rest = &text[to.min(text.len())..];
    let own_comments: usize =
        rest.split_inclusive('\n').skip(1).take_while(|line| line.trim_start().starts_with('#')).map(str::len).sum();
    let line = rest.find('\n').map_or(rest.len(), |newline| newline + 1);
    if tail + line + own_comments + 2 < rest.len() {
        return fail("changed behind the place");
    }
    // Comment lines outside what was removed or replaced survive, in their order.
    let gone = match one {
        Edit::Append { .. } => 0..0,
        _ if !documents[document].locate(path).found => 0..0,
        Edit::Set { .. } => documents[document].locate(path).value,
        Edit::Remove { .. } => {
            let gone = documents[document].locate(path);
            gone.key.map_or(gone.value.start, |key| key.start)..gone.value.end
        }
    };
    let mut offset = 0;
    let mut new_comments = new.lines().map(str::trim).filter(|line| line.contains('#'));
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        let inside = offset >= gone.start && offset < gone.end;
        if trimmed.starts_with('#') && !inside && !new_comments.any(|now| now.ends_with(trimmed)) {
            return fail("a comment is lost");
        }
        offset += line.len();
    }
    if text.contains("\r\n") && !text.replace("\r\n", "").contains('\n') && new.replace("\r\n", "").contains('\n') {
        return fail("a line end differs");
    }
    if text.ends_with('\n') != new.ends_with('\n') && !new.is_empty() && !text.contains("|+") {
        fail("the final newline differs");
    }
}

/// Edits one after another come out as the same edits of the value, or are refused as a whole.
fn several(random: &mut Random, file: &File, document: usize, tally: &mut Tally) {
    let mut value = file.documents()[document].value().unwrap().clone();
    let mut edits = Vec::new();
    for _ in 0..random.below(5) {
        let one = random_edit(random, &value);
        if one.apply(&mut value).is_ok() && (value.is_object() || value.is_array()) {
            edits.push(one);
        } else {
            return;
        }
    }
    match edit(file, document, &edits) {
        Ok(text) => {
            let after = File::parse(text.as_str());
            let kept =
                after.documents().get(document).and_then(|one| one.value().ok()).is_some_and(|now| same(now, &value));
            if !kept {
                tally.failures.push(format!("several: {edits:?}"));
            }
        }
        Err(refusal) if refusal.defect => {
            tally.defects += 1;
            println!(
                "defect: {refusal} for {edits:?}\n<<<\n{}\n>>>",
                file.text()[file.documents()[document].range()]
                    .replace('\r', "␍")
                    .chars()
                    .take(3000)
                    .collect::<String>()
            );
        }
        Err(_) => {}
    }
}

fn excerpt(file: &File, document: usize, one: &Edit) -> String {
    let document = &file.documents()[document];
    let parent = one.path().parent().unwrap_or_default();
    let range = document.locate(&parent).value;
    let text = file.text();
    let from = text[..range.start].rfind('\n').unwrap_or(0);
    let from = text[..from].rfind('\n').unwrap_or(0);
    text[from..range.end].chars().take(1200).collect::<String>().replace('\r', "␍")
}

fn changed(old: &str, new: &str) -> String {
    let head = new.bytes().zip(old.bytes()).take_while(|(one, other)| one == other).count();
    let mut from = new[..].floor_char_boundary(head.saturating_sub(60));
    while from > 0 && !new.is_char_boundary(from) {
        from -= 1;
    }
    new[from..].chars().take(500).collect::<String>().replace('\r', "␍")
}

fn run(files: &[String], wanted: usize, seed: u64) -> Tally {
    let mut random = Random(seed);
    let mut tally = Tally::default();
    let mut tries = 0;
    while tally.edits < wanted && tries < wanted * 4 {
        tries += 1;
        let original = random.pick(files).clone();
        if original.len() > 60_000 {
            continue;
        }
        let braces = if random.chance(12) { in_braces(&mut random, &original) } else { None };
        let mut text = braces.unwrap_or_else(|| varied(&mut random, &original));
        if File::parse(text.as_str()).documents().iter().any(|one| one.value().is_err()) {
            text = original;
        }
        let file = File::parse(text.as_str());
        let usable: Vec<usize> = (0..file.documents().len())
            .filter(|at| file.documents()[*at].value().is_ok_and(|value| value.is_object() || value.is_array()))
            .collect();
        if usable.is_empty() {
            continue;
        }
        let document = *random.pick(&usable);
        for _ in 0..3 {
            let one = random_edit(&mut random, file.documents()[document].value().unwrap());
            check(&text, document, &one, &mut tally);
        }
        several(&mut random, &file, document, &mut tally);
    }
    tally
}

fn report(tally: &Tally) {
    println!(
        "{} edits, {} made, {} wrong, {} refused",
        tally.edits,
        tally.done,
        tally.failures.len(),
        tally.edits - tally.done
    );
    println!("editor bugs caught by verification: {}", tally.defects);
    println!("refused though plainly editable: {}", tally.plainly_refused);
    for (reason, count) in &tally.refusals {
        println!("{count:6}  {reason}");
    }
    assert!(tally.failures.is_empty(), "{}", tally.failures[..tally.failures.len().min(20)].join("\n"));
    assert!(tally.plainly_refused * 100 <= tally.edits, "more than 1 % refused");
    assert!(tally.defects * 1000 <= tally.edits, "more than 0.1 % caught only by verification");
}

#[test]
fn random_edits_of_small_files_are_right() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pairs");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path().join("before.yaml")).collect();
    files.sort();
    let files: Vec<String> = files.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    report(&run(&files, 4_000, seed(1)));
}

fn seed(usual: u64) -> u64 {
    std::env::var("BUTTRESS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(usual)
}

#[test]
fn random_edits_of_odd_texts_are_right_or_refused() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("golden/cases.json")).unwrap();
    let files: Vec<String> = cases.iter().map(|case| case["text"].as_str().unwrap().to_owned()).collect();
    let tally = run(&files, 5_000, seed(2));
    println!("{} edits of odd texts, {} made, {} caught by verification", tally.edits, tally.done, tally.defects);
    assert!(tally.failures.is_empty(), "{}", tally.failures[..tally.failures.len().min(20)].join("\n"));
    assert!(tally.defects * 200 <= tally.edits, "more than 0.5 % caught only by verification");
}

#[test]
fn random_edits_of_real_files_are_right() {
    let Some(files) = corpus() else { return };
    let files: Vec<String> = files.into_iter().map(|(_, text)| text).collect();
    let wanted = std::env::var("BUTTRESS_EDITS").ok().and_then(|count| count.parse().ok()).unwrap_or(40_000);
    report(&run(&files, wanted, seed(7)));
}
