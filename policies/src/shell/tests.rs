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
        ("A=1 B='2 3'; a $A \"$B\" $B", vec!["a|1|2 3|2|3"]),
        ("A=1; A=2 B=$A a $A $B", vec!["a|1|$B?"]),
        ("A='1 2'; B=$A; a \"$B\"", vec!["a|1 2"]),
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
    assert_eq!(command.any_flag(&phrase("--http-port --port")), Some(("--port", Flag::Set("2"))));
}

#[test]
fn of_the_names_of_one_setting_the_last_counts() {
    let container = json!({"args": ["--tensor-parallel-size", "4", "-tp", "1"]});
    let line = read(&container);
    let names = phrase("--tensor-parallel-size -tp");
    assert_eq!(line.commands[0].any_flag(&names), Some(("-tp", Flag::Set("1"))));
    assert_eq!(line.commands[0].any_flag::<String>(&[]), None);
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

/// The words of the last command with a question mark behind those that are not known, or `hidden`.
fn last(script: &str) -> String {
    let container = json!({"command": ["sh", "-c", script]});
    let line = read(&container);
    let command = line.commands.last().unwrap();
    match (&command.hidden, command.conditional) {
        (Some(_), _) => "hidden".to_owned(),
        (None, true) => "conditional".to_owned(),
        (None, false) => shown(&container).pop().unwrap(),
    }
}

#[test]
fn only_what_is_certain_is_known() {
    for (script, expected) in [
        ("PORT=8000; [ -n \"$TLS\" ] && PORT=9000; a --port $PORT", "a|--port|$PORT?"),
        ("PORT=8000; b && PORT=9000; a --port $PORT", "a|--port|$PORT?"),
        ("PORT=8000; b || PORT=9000; a --port $PORT", "a|--port|$PORT?"),
        ("PORT=8000; b || { c; PORT=9000; }; a --port $PORT", "a|--port|$PORT?"),
        ("cd /x && PORT=9000 && a --port $PORT", "a|--port|9000"),
        ("PORT=8001 a --port $PORT", "a|--port|$PORT?"),
        ("PORT=8000; (PORT=9000; b); a --port $PORT", "a|--port|8000"),
        ("PORT=8000; PORT=9000 | b; a --port $PORT", "a|--port|$PORT?"),
        ("PORT=8000; { PORT=9000; } | b; a --port $PORT", "a|--port|$PORT?"),
        ("{ PORT=9000; a --port $PORT; } 2>&1 | tee log", "tee|log"),
        ("PORT=8000; read PORT < /f; a --port $PORT", "a|--port|$PORT?"),
        ("PORT=8000; unset PORT; a --port $PORT", "a|--port|$PORT?"),
        ("PORT=8000; let PORT++; a --port $PORT", "a|--port|$PORT?"),
        ("PORT=8000; ((PORT++)); a --port $PORT", "a|--port|$PORT?"),
        ("PORT=8000; b $((PORT+=1)); a --port $PORT", "a|--port|$PORT?"),
        ("PORT=8000; b ${PORT:=1}; a --port $PORT", "a|--port|$PORT?"),
        ("PORT=8000; printf -v PORT 9; a --port $PORT", "a|--port|$PORT?"),
        ("PORT=8000; eval \"$X\"; a --port $PORT", "a|--port|$PORT?"),
        ("PORT=8000; . /f; a --port $PORT", "a|--port|$PORT?"),
        ("PORT=8000; source /f && a --port $PORT", "a|--port|$PORT?"),
        ("PORT=8000; f() { PORT=9; }; PORT=8; f; a --port $PORT", "a|--port|$PORT?"),
        ("PORT=8000; function f { PORT=9; }; PORT=8; f; a --port $PORT", "a|--port|$PORT?"),
        ("PORT=8000; for PORT in 1 2; do b; done; a --port $PORT", "a|--port|$PORT?"),
        ("PORT=8000; PORT[0]=9; a --port $PORT", "a|--port|$PORT?"),
        ("PORT=1; (PORT=2; case a in a) b;; esac; a --port $PORT)", "a|--port|2"),
        ("export PORT=8000; a --port $PORT", "a|--port|8000"),
        ("export P='1 2' Q=$P; a \"$Q\"", "a|$Q?"),
        ("f() { a x; }", "conditional"),
        ("[ x ] && exec b; a", "conditional"),
        ("exec a x; b", "exec|a|x"),
        ("exec > /log 2>&1; a x", "a|x"),
        ("a x; exit 0; b", "exit|0"),
        ("if x; then exit 1; fi; exec a", "exec|a"),
        ("ARGS=(--port 9000); ARGS+=(--ssl-keyfile '/k)'); exec a \"${ARGS[@]}\"", "hidden"),
        ("ARGS=(--port 9000); a $ARGS", "hidden"),
        ("declare -a ARGS=(--port 9000); a --x \"${ARGS[@]}\"", "hidden"),
        ("set -- --port 9000 --uds /tmp/s; exec a \"$@\"", "hidden"),
        ("set -e; exec a \"$@\"", "exec|a"),
        ("shift; exec a \"$@\"", "hidden"),
        ("A='--port 9000'; A+=' --headless'; a $A", "hidden"),
        ("a \"${TLS:+--ssl}\"", "hidden"),
        ("f() { exec a \"$@\"; }", "hidden"),
    ] {
        assert_eq!(last(script), expected, "{script}");
    }
}

#[test]
fn each_command_has_its_own_variables() {
    let of = |container: Value| {
        let line = read(&container);
        match line.commands.last().unwrap().environment.get("X") {
            Setting::Set(value) => value.to_owned(),
            Setting::Unknown => "?".to_owned(),
            Setting::Unset => "-".to_owned(),
        }
    };
    for (script, expected) in [
        ("a", "-"),
        ("export X=1; exec a", "1"),
        ("X=1; export X; a", "1"),
        ("X=1; a", "?"),
        ("X=1 a", "1"),
        ("X=1 b; a", "-"),
        ("env X=1 Y=2 a", "1"),
        ("env -u X a", "?"),
        ("env -i a", "?"),
        ("exec env X=$(b) a", "?"),
        ("set -a; X=1; a", "1"),
        ("set -a; . /config/x.env; a", "?"),
        ("set -o allexport; X=1; set +a; a", "1"),
        ("export X=1; b && export X=2; a", "?"),
        ("(export X=1); a", "-"),
        ("export X=1; sh -c 'a'", "1"),
        ("X=1 sh -c 'Y=$X; a'", "1"),
    ] {
        assert_eq!(of(json!({"command": ["sh", "-c", script]})), expected, "{script}");
    }
    assert_eq!(of(json!({"command": ["env", "X=1", "a"]})), "1");
    let env = json!([{"name": "X", "value": "1"}]);
    assert_eq!(of(json!({"command": ["sh", "-c", "X=2; a"], "env": env})), "2");
    assert_eq!(of(json!({"command": ["sh", "-c", "unset X; a"], "env": env})), "?");
}

#[test]
fn variables_that_name_each_other_do_not_fill_the_memory() {
    let start = "x".repeat(64);
    let bomb = |sign: fn(usize) -> String| {
        let first = json!({"name": "A0", "value": start});
        let more = (1..=30).map(|at| json!({"name": format!("A{at}"), "value": sign(at - 1).repeat(2)}));
        json!(std::iter::once(first).chain(more).collect::<Vec<_>>())
    };
    let container = json!({"command": ["a", "$(A30)"], "env": bomb(|at| format!("$(A{at})"))});
    assert!(read(&container).commands[0].hidden.is_some() && !read(&container).commands[0].words[1].known);
    let mut script = format!("A0={start};");
    for at in 1..=40 {
        script += &format!("A{at}=$A{0}$A{0};", at - 1);
    }
    for text in [
        format!("{script} a $A40"),
        format!("{} a", "A=1; A=$A$A;".repeat(5_000)),
        format!("{} a", "{ A=1; }; b && A=2;".repeat(5_000)),
        "$X ".repeat(50_000),
    ] {
        let container = json!({"command": ["sh", "-c", text]});
        assert!(read(&container).commands.iter().all(|command| command.hidden.is_some()), "{}", &text[..20]);
    }
    let parameters: Vec<String> = (0..1_000).map(|at| at.to_string()).collect();
    let inner = format!("sh -c 'sh -c \"a {0}\" x {0}' x {0}", "$@ ".repeat(1_000));
    let mut args = vec!["-c".to_owned(), inner, "sh".to_owned()];
    args.extend(parameters);
    let container = json!({"command": ["sh"], "args": args});
    assert!(read(&container).commands.iter().all(|command| command.hidden.is_some() && command.words.len() <= 2_000));
    // Brackets that never close and values that never end are read once.
    for text in ["$(", "{ ", "( ", "a || { ", "<<E ", "case x in (", "A=("] {
        let container = json!({"command": ["sh", "-c", text.repeat(20_000)]});
        let _ = read(&container);
        let container = json!({"command": [text.repeat(20_000)]});
        let _ = read(&container);
    }
}

#[test]
fn many_words_are_looked_at_once() {
    let gap = phrase("python ... **/megatron/training/*");
    for container in [
        json!({"command": vec!["python"; 5_000]}),
        json!({"command": ["sh", "-c", "python ".repeat(2_000)]}),
        json!({"command": ["sh", "-c", "python ".repeat(60_000)]}),
    ] {
        let line = read(&container);
        assert!(line.commands[0].find(&gap).is_none());
        assert!(crate::catalog::Catalog::builtin().runtime_by_command(&line).is_none());
    }
    assert!(read(&json!({"command": vec!["python"; 5_000]})).commands[0].hidden.is_some());
}

#[test]
fn a_program_in_the_arguments_of_another_is_not_started() {
    let finds = |command: Value| {
        let container = json!({"command": command});
        let phrase = phrase("vllm serve");
        read(&container).commands.iter().any(|command| command.find(&phrase).is_some())
    };
    for script in [
        "kubectl exec deploy/x -- vllm serve m; sleep infinity",
        "ssh worker vllm serve m",
        "exec sleep 1; vllm serve m",
        "exit; vllm serve m",
        "python -c 'x' vllm serve m",
    ] {
        assert!(!finds(json!(["sh", "-c", script])), "{script}");
    }
    for script in [
        "exec env A=1 tini -- vllm serve m",
        "conda run -n env vllm serve m",
        "sudo -E -u user vllm serve m",
        "gosu user vllm serve m",
        "uv run --with x vllm serve m",
        "nsys profile -o x vllm serve m",
        "timeout -k 5 10 vllm serve m",
        "opentelemetry-instrument --exporter x vllm serve m",
    ] {
        assert!(finds(json!(["sh", "-c", script])), "{script}");
    }
}
