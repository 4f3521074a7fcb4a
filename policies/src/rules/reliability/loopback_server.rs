//! `loopback-server`: a model server that listens where nobody reaches it.

use super::written;
use crate::catalog::{Port, Probes};
use crate::container::Container;
use crate::context::Context;
use crate::finding::Finding;
use crate::profile::{ContainerProfile, Start};
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "loopback-server",
    summary: "the model server listens on the loopback address, where nobody reaches it",
    category: Category::Reliability,
    severity: Severity::Error,
    scope: Scope::Ai,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
Probes and Services reach a container by the [address of its pod](https://kubernetes.io/docs/concepts/services-networking/). \
Several model servers listen on 127.0.0.1 unless they are told otherwise ([SGLang](https://docs.sglang.io/advanced_features/server_arguments.html), \
`trtllm-serve`, Xinference, ComfyUI), which suits a workstation: in a pod each probe of the kubelet is refused, so that the \
container is restarted for ever or never ready, and without probes it counts as ready and no client reaches it. Nothing is said \
where another container of the pod may be the way in.",
    bad: "\
apiVersion: v1
kind: Pod
metadata:
  name: llm
spec:
  containers:
    - name: server
      image: lmsysorg/sglang:v0.5.3
      command: [python3, -m, sglang.launch_server, --model-path, Qwen/Qwen3-8B]
      readinessProbe:
        httpGet:
          path: /health
          port: 30000
        timeoutSeconds: 25
",
    good: "\
apiVersion: v1
kind: Pod
metadata:
  name: llm
spec:
  containers:
    - name: server
      image: lmsysorg/sglang:v0.5.3
      command: [python3, -m, sglang.launch_server, --model-path, Qwen/Qwen3-8B, --host, 0.0.0.0]
      readinessProbe:
        httpGet:
          path: /health
          port: 30000
        timeoutSeconds: 25
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    let servers = written::servers(pod, context);
    servers.filter_map(|(container, known, facts)| check_server(pod, container, known, facts)).collect()
}

fn check_server(pod: &Pod<'_>, container: &Container<'_>, known: &ContainerProfile, facts: &Probes) -> Option<Finding> {
    let (bind, number) = (known.bind()?, known.port?);
    let port = written::main_port(known, facts)?;
    let start = pod.start(known).filter(|start| start.is_on_loopback(bind, Some(port)) == Some(true))?;
    written::in_sight(pod, container, known).filter(|start| written::listens(start, facts))?;
    let by_variable = !bind.env.is_empty() || !port.address_env.is_empty();
    if known.grouped || !written::is_alone(pod, known) || may_add_flags(&start, by_variable) {
        return None;
    }
    let title = written::title(container, known);
    let way_out = way_out(bind.flags.first(), port);
    let probe = written::probes(container)
        .find(|probe| probe.port().is_some_and(|asked| written::number(container, asked.value()) == Some(number)));
    if let Some(probe) = probe {
        let message = format!(
            "{title} listens on the loopback address, where the kubelet does not reach it: its {} always fails{way_out}",
            probe.name()
        );
        return Some(RULE.finding(probe.node.path().clone(), message));
    }
    let declared = container
        .get("ports")
        .items()
        .find(|declared| declared.get("containerPort").value().as_u64() == Some(u64::from(number)))?;
    let message = format!("{title} listens on the loopback address, where no client reaches port {number}{way_out}");
    Some(RULE.finding(declared.path().clone(), message).at_most(Severity::Warning))
}

/// Whether there may be flags that are not in sight, because the program is a script or left to the image. Variables are in
/// sight all the same.
fn may_add_flags(start: &Start<'_, '_>, by_variable: bool) -> bool {
    start.command.map_or(!by_variable, |command| {
        let mut programs = command.programs().filter_map(|at| command.words.get(at));
        programs.any(|word| word.text.ends_with(".sh"))
    })
}

fn way_out(flag: Option<&String>, port: &Port) -> String {
    match (flag, port.address_flags.first(), port.address_env.first()) {
        (Some(flag), ..) => format!("; set `{flag} 0.0.0.0`"),
        (None, Some(flag), _) => format!("; set the host in `{flag}` to 0.0.0.0"),
        (None, None, Some(name)) => format!("; set the host in `{name}` to 0.0.0.0"),
        (None, None, None) => String::new(),
    }
}
