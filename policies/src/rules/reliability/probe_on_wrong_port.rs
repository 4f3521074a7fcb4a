//! `probe-on-wrong-port`: a probe that asks a port on which its server does not listen.

use super::written::{self, Written};
use crate::catalog::Probes;
use crate::container::Container;
use crate::context::Context;
use crate::finding::Finding;
use crate::invocation::Invocation;
use crate::profile::{ContainerProfile, Start};
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::shell::Setting;
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "probe-on-wrong-port",
    summary: "a probe asks a port on which its model server does not listen",
    category: Category::Reliability,
    severity: Severity::Error,
    scope: Scope::Ai,
    since: "0.1.0",
    needs: Needs::Pod,
    rationale: "\
A [probe](https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/) is sent to the pod's address and \
the port that it says, whatever `ports` declares: that field opens nothing. A server that listens elsewhere, because its flag says \
so or because it has a default of its own (vLLM 8000, SGLang 30000, TGI 80, Ollama 11434), refuses the connection, and the \
container is restarted for ever or never ready. It is an error where all flags of the only program in the pod are in sight and \
none speaks of that port; a probe that asks the port of another server in the same pod is a warning.",
    bad: "\
apiVersion: v1
kind: Pod
metadata:
  name: llm
spec:
  containers:
    - name: server
      image: vllm/vllm-openai:v0.11.0
      args: [--model, Qwen/Qwen3-8B, --port, \"9000\"]
      readinessProbe:
        httpGet:
          path: /health
          port: 8000
",
    good: "\
apiVersion: v1
kind: Pod
metadata:
  name: llm
spec:
  containers:
    - name: server
      image: vllm/vllm-openai:v0.11.0
      args: [--model, Qwen/Qwen3-8B, --port, \"9000\"]
      readinessProbe:
        httpGet:
          path: /health
          port: 9000
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (container, known, facts) in written::servers(pod, context) {
        // Of what has no probe it is not known on which ports it listens besides.
        if facts.readiness.is_none() && facts.liveness.is_none() && facts.startup.is_none() {
            continue;
        }
        // The settings are read when there is a probe that could be wrong, and not before.
        let mut suspects = written::probes(container).filter_map(|probe| suspect(probe, container, known)).peekable();
        if suspects.peek().is_none() || known.grouped {
            continue;
        }
        let start = written::in_sight(pod, container, known).filter(|start| written::listens(start, facts));
        let Some(start) = start else { continue };
        let server = Server { pod, container, known, facts, start: &start };
        findings.extend(suspects.filter_map(|(probe, asked, own)| server.check(&probe, asked, own)));
    }
    findings
}

/// A probe with the port that it asks and the port of the server, where these differ.
fn suspect<'a>(
    probe: Written<'a>,
    container: &Container<'a>,
    known: &ContainerProfile,
) -> Option<(Written<'a>, u16, u16)> {
    let own = known.port?;
    let asked = written::number(container, probe.port()?.value())?;
    (asked != own).then_some((probe, asked, own))
}

struct Server<'s, 'a> {
    pod: &'s Pod<'a>,
    container: &'s Container<'a>,
    known: &'s ContainerProfile,
    facts: &'s Probes,
    start: &'s Start<'s, 'a>,
}

impl Server<'_, '_> {
    fn check(&self, probe: &Written<'_>, asked: u16, own: u16) -> Option<Finding> {
        let place = probe.port()?;
        let title = written::title(self.container, self.known);
        let what = probe.name();
        if let Some(other) = self.other(asked) {
            let message = format!(
                "the {what} of {title} asks port {asked}, on which {} listens: it tells nothing of {title}, which \
                 listens on {own}",
                other.title()
            );
            return Some(RULE.finding(place.path().clone(), message).at_most(Severity::Warning));
        }
        let unsure = written::main_port(self.known, self.facts).is_none_or(|port| port.unsure);
        if unsure || !written::is_alone(self.pod, self.known) || self.may_listen(asked) {
            return None;
        }
        let message =
            format!("the {what} of {title} asks port {asked}, and the server listens on {own}: it always fails");
        Some(RULE.finding(place.path().clone(), message))
    }

    /// The other container of the pod whose server is known to listen there.
    fn other(&self, asked: u16) -> Option<&Container<'_>> {
        let others = self.pod.ai_containers().filter(|(_, other)| other.index != self.known.index);
        let mut same = others.filter(|(_, other)| {
            other.is_server() && other.sure && other.port == Some(asked) && other.role.serves_a_model()
        });
        same.next().map(|(container, _)| container)
    }

    /// Whether the server or its author speak of the port anywhere: a port for metrics or gRPC, a flag that is not known, a
    /// variable, or a second port beside that of the server.
    fn may_listen(&self, asked: u16) -> bool {
        let main = written::main_port(self.known, self.facts);
        let known = self
            .known
            .ports()
            .filter(|(_, port)| main.is_none_or(|main| !std::ptr::eq(*port, main)))
            .any(|(_, port)| port.default == Some(asked) || self.start.port(port).ok() == Some(asked));
        let declared = |number: u16| self.container.ports().any(|(declared, _)| declared == i64::from(number));
        let both = declared(asked) && self.known.port.is_some_and(declared);
        let told: Option<&Invocation<'_>> = self.pod.invocations().get(self.known.index);
        let number = asked.to_string();
        known
            || both
            || self.start.environment.is_open()
            || told.is_none_or(|told| {
                let words = told.line.commands.iter().flat_map(|command| &command.words);
                let names = told.environment.names();
                words.into_iter().any(|word| word.text.contains(&number))
                    || names.into_iter().any(|name| match told.environment.get(name) {
                        Setting::Set(value) => value.contains(&number),
                        Setting::Unknown => name.contains("PORT") || name.contains("ADDR") || name.contains("HOST"),
                        Setting::Unset => false,
                    })
            })
    }
}
