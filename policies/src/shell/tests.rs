//! Command lines as they are met in manifests.

use serde_json::{Value, json};

use super::*;

fn words<'a>(container: &'a Value, key: &str) -> Vec<Cow<'a, str>> {
    container
        .get(key)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(Cow::Borrowed)
        .collect()
}

fn read(container: &Value) -> CommandLine<'_> {
    let environment = Environment::of(container);
    CommandLine::of(&words(container, "command"), &words(container, "args"), &environment)
}

/// The commands as text, words joined by `|`, unknown words with a question mark behind them.
fn shown(container: &Value) -> Vec<String> {
    let show = |word: &Word<'_>| format!("{}{}", word.text, if word.known { "" } else { "?" });
    read(container)
        .commands
        .iter()
        .map(|command| command.words.iter().map(show).collect::<Vec<_>>().join("|"))
        .collect()
}

fn phrase(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn command_and_args_are_one_line() {
    assert_eq!(shown(&json!({"command": ["vllm"], "args": ["serve", "x"]})), ["vllm|serve|x"]);
    assert_eq!(shown(&json!({"args": ["--model", "x y"]})), ["--model|x y"]);
    assert!(shown(&json!({})).is_empty());
    assert!(shown(&json!({"command": 5, "args": [7, null]})).is_empty());
}

#[test]
fn shells_are_taken_apart() {
    let script = |text: &str| shown(&json!({"command": ["sh", "-c"], "args": [text]}));
    for (text, commands) in [
        ("vllm serve x --port 8080", vec!["vllm|serve|x|--port|8080"]),
        ("cd /app && exec vllm serve x", vec!["cd|/app", "exec|vllm|serve|x"]),
        ("a; b || c | d & e\nf", vec!["a", "b", "c", "d", "e", "f"]),
        ("vllm serve \\\n  x \\\n  --port 9", vec!["vllm|serve|x|--port|9"]),
        ("a 'b c' \"d e\" f\\ g", vec!["a|b c|d e|f g"]),
        ("a '' \"\"", vec!["a||"]),
        ("a # b c\nd", vec!["a", "d"]),
        ("a#b", vec!["a#b"]),
        ("a > /dev/null 2>&1 b", vec!["a|b"]),
        ("a &> log b", vec!["a|b"]),
        ("A=1 B='2 3' a $A \"$B\" $B", vec!["a|1|2 3|2|3"]),
        ("export PORT=9000\nvllm serve --port $PORT", vec!["export|PORT=9000", "vllm|serve|--port|9000"]),
        ("if [ -f x ]; then PORT=1; fi; a $PORT", vec!["[|-f|x|]", "a|$PORT?"]),
        ("a $(hostname -i) `date` \"$X\" ${Y:-1} ${Z}", vec!["a|$(hostname -i)?|`date`?|$X?|${Y:-1}?|$Z?"]),
        ("(a b)", vec!["a|b"]),
        ("a \"un closed", vec!["a|un closed"]),
        ("a {{ .Values.x }}", vec!["a|{{?|.Values.x|}}"]),
        ("bash -c \"a 'b c'\"", vec!["a|b c"]),
        ("while true; do a; done", vec!["true", "a"]),
        ("a --price $5 cost$", vec!["a|--price|$5?|cost$"]),
    ] {
        assert_eq!(script(text), commands, "{text}");
    }
    for flags in ["-c", "-lc", "-ec", "-exc"] {
        assert_eq!(shown(&json!({"command": ["/bin/bash", flags, "a b"]})), ["a|b"], "{flags}");
    }
    assert_eq!(shown(&json!({"command": ["bash", "-euo", "pipefail", "-c", "a b"]})), ["a|b"]);
    assert_eq!(shown(&json!({"command": ["tini", "--", "sh", "-c", "a b"]})), ["a|b"]);
    assert_eq!(shown(&json!({"command": ["bash", "run.sh", "-c"]})), ["bash|run.sh|-c"]);
}

#[test]
fn a_script_gets_the_words_behind_it() {
    let container =
        json!({"command": ["sh", "-c", "exec vllm serve \"$@\" --port 9", "--"], "args": ["--model", "x y"]});
    assert_eq!(shown(&container), ["exec|vllm|serve|--model|x y|--port|9"]);
}

#[test]
fn variables_are_those_of_the_container() {
    let container = json!({
        "command": ["a", "$(PORT)", "$$(PORT)", "$(SECRET)", "$(NONE)", "$(IP)", "$(URL)", "x$"],
        "env": [
            {"name": "PORT", "value": "9000"},
            {"name": "URL", "value": "http://$(PORT)"},
            {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        ],
    });
    assert_eq!(shown(&container), ["a|9000|$(PORT)|$(SECRET)?|$(NONE)?|status.podIP|http://9000|x$"]);
    let environment = Environment::of(&container);
    assert_eq!(environment.get("SECRET"), Setting::Unknown);
    assert_eq!(environment.get("NONE"), Setting::Unset);
    assert!(!environment.is_open());
    assert!(Environment::of(&json!({"envFrom": [{"configMapRef": {"name": "c"}}]})).is_open());
}

#[test]
fn flags_are_found_however_they_are_written() {
    let container = json!({"args": ["--port", "1", "--tensor_parallel_size=4", "--port=2", "--ngl", "-1", "--headless", "--host", "$(HOST)"]});
    let line = read(&container);
    let command = &line.commands[0];
    assert_eq!(command.flag("--port"), Some(Flag::Set("2")));
    assert_eq!(command.flag("--tensor-parallel-size"), Some(Flag::Set("4")));
    assert_eq!(command.flag("--ngl"), Some(Flag::Set("-1")));
    assert_eq!(command.flag("--headless"), Some(Flag::Bare));
    assert_eq!(command.flag("--host"), Some(Flag::Unknown("$(HOST)")));
    assert_eq!(command.flag("--por"), None);
    assert_eq!(command.any_flag(&phrase("--http-port --port")), Some(Flag::Set("2")));
}

#[test]
fn an_unquoted_variable_may_hide_flags() {
    let hidden = |text: &str| read(&json!({"command": ["sh", "-c", text]})).commands[0].hidden.clone();
    assert_eq!(hidden("vllm serve x $EXTRA_ARGS").as_deref(), Some("$EXTRA_ARGS"));
    assert_eq!(hidden("vllm serve x --port $PORT"), None);
    assert_eq!(hidden("vllm serve \"$MODEL\""), None);
    assert_eq!(hidden("ray start --address=$LEADER:6379"), None);
}

#[test]
fn phrases_stand_where_a_program_stands() {
    let finds = |command: Value, text: &str| {
        read(&json!({"command": command})).commands.iter().any(|command| command.find(&phrase(text)).is_some())
    };
    assert!(finds(json!(["/usr/bin/vllm", "serve"]), "vllm serve"));
    assert!(finds(
        json!(["python3", "-m", "vllm.entrypoints.openai.api_server"]),
        "-m vllm.entrypoints.openai.api_server"
    ));
    assert!(finds(json!(["nohup", "numactl", "-C", "0-7", "tritonserver"]), "tritonserver"));
    assert!(finds(json!(["sh", "-c", "exec tini -- ollama serve"]), "ollama serve"));
    assert!(finds(json!(["ray", "start", "--block", "--address=x:1"]), "ray start ... --address"));
    assert!(finds(json!(["python", "-m", "dynamo.vllm"]), "-m dynamo.*"));
    assert!(!finds(json!(["python", "train.py", "--model", "/opt/tritonserver"]), "tritonserver"));
    assert!(!finds(json!(["sh", "-c", "echo vllm serve"]), "vllm serve"));
    assert!(!finds(json!(["pip", "install", "vllm"]), "vllm"));
    assert!(!finds(json!(["vllm", "bench", "serve"]), "vllm serve"));
}

#[test]
fn no_text_makes_it_panic() {
    for text in [
        "'",
        "\"",
        "\\",
        "$",
        "${",
        "$(",
        "`",
        "$((1+2))",
        ">",
        "\"$@",
        "\"$@\"",
        "&&&&",
        "é\"ü$ö",
        "sh -c 'sh -c \"sh -c a\"'",
        "x=",
        "=x",
        "$()",
    ] {
        let _ = shown(&json!({"command": ["sh", "-c", text]}));
        let _ = shown(&json!({"command": [text, text]}));
    }
}

#[test]
fn documents_are_text_and_conditions_are_told() {
    let script = |text: &str| json!({"command": ["sh", "-c", text]});
    assert_eq!(shown(&script("cat <<EOF > run.sh\nvllm serve x\nEOF\nbash run.sh")), ["cat", "bash|run.sh"]);
    assert_eq!(shown(&script("a <<-'E' b\n\tc\n\tE\nd")), ["a|b", "d"]);
    assert_eq!(shown(&script("a <<< b c")), ["a|c"]);
    assert_eq!(shown(&script("a << EOF\nnever ends")), ["a"]);
    let conditional = |text: &str| {
        let container = script(text);
        let line = read(&container);
        line.commands
            .iter()
            .filter(|command| command.conditional)
            .filter_map(|command| command.words.first().map(|word| word.text.to_string()))
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(conditional("cd /a && b; c & d"), "");
    assert_eq!(conditional("if [ x ]; then a; else b; fi; c"), "[ a b");
    assert_eq!(conditional("[ $RANK = 0 ] && a && b; c"), "a b");
    assert_eq!(conditional("test -f x || a\nb"), "a");
    assert_eq!(conditional("case $X in 0) a ;; esac; b"), "$X a");
    assert_eq!(conditional("if x; then sh -c 'a; b'; fi"), "x a b");
}
