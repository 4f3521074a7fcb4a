//! `service-link-collision`: a Service whose name gives a server a variable that it reads as something else.

use serde_json::json;

use crate::catalog::Runtime;
use crate::context::Context;
use crate::finding::{Finding, Fix};
use crate::inventory::{Service, ServiceKind};
use crate::node::is_placeholder;
use crate::object::Identity;
use crate::profile::Start;
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::shell::Setting;
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "service-link-collision",
    summary: "a Service's name sets a variable that the server reads as its own",
    category: Category::Correctness,
    severity: Severity::Warning,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Inventory,
    rationale: "\
For each Service of the namespace the kubelet gives containers variables in the style of Docker links: a Service called `vllm` \
brings `VLLM_PORT=tcp://10.0.0.1:80` \
([Kubernetes: environment variables](https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables)). \
Servers that read a variable of that name as a number do not start, as \
[vLLM warns](https://docs.vllm.ai/en/stable/configuration/env_vars.html); the first start may still succeed where the Service \
came later, and the next restart fails. Give the Service another name, or turn the links off with `enableServiceLinks: false`. \
The repair does the latter, on request: some program in the image may read the links of another Service.",
    bad: "\
apiVersion: v1
kind: Pod
metadata:
  name: llm
  labels:
    app: llm
spec:
  containers:
    - name: server
      image: vllm/vllm-openai:v0.11.0
      args: [--model, /models/chat]
---
apiVersion: v1
kind: Service
metadata:
  name: vllm
spec:
  selector:
    app: llm
  ports:
    - port: 80
      targetPort: 8000
",
    good: "\
apiVersion: v1
kind: Pod
metadata:
  name: llm
  labels:
    app: llm
spec:
  containers:
    - name: server
      image: vllm/vllm-openai:v0.11.0
      args: [--model, /models/chat]
  enableServiceLinks: false
---
apiVersion: v1
kind: Service
metadata:
  name: vllm
spec:
  selector:
    app: llm
  ports:
    - port: 80
      targetPort: 8000
",
    fixable: Fixable::Unsafe,
    check: Check::Pod(check),
};

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    if !pod.has_spec() || pod.spec().value().get("enableServiceLinks") == Some(&json!(false)) {
        return Vec::new();
    }
    for (container, known) in pod.ai_containers() {
        let Some(runtime) = known.runtime.as_ref().filter(|_| known.sure && known.serves) else { continue };
        if runtime.service_link_env.is_empty() {
            continue;
        }
        let Some(start) = pod.start(known) else { continue };
        let mut read = runtime.service_link_env.iter().filter(|variable| reads(runtime, &start, variable));
        let Some(variable) = read.find(|variable| is_brought(pod, variable, context)) else { continue };
        let message = format!(
            "a Service of the namespace gives {} the variable `{variable}` as an address, which {} reads as a setting of its \
             own; name the Service otherwise or set `enableServiceLinks: false`",
            container.title(),
            runtime.name
        );
        let links = pod.spec().get("enableServiceLinks");
        let fix = Fix::r#unsafe("turn Service links off", vec![links.set(json!(false))]);
        // The links are the whole pod's: it need not be said of each container.
        return vec![RULE.finding(container.path().clone(), message).with_fix(fix)];
    }
    Vec::new()
}

/// Whether the server surely gets the variable from the Service and reads it: the container does not set it itself, nor a flag
/// that goes before it.
fn reads(runtime: &Runtime, start: &Start<'_, '_>, variable: &String) -> bool {
    let flagged =
        runtime.ports.values().filter(|port| port.env.contains(variable)).any(|port| {
            start.command.is_some_and(|command| port.flags.iter().any(|flag| command.flag(flag).is_some()))
        });
    let hidden = start.command.is_some_and(|command| command.hidden.is_some());
    start.environment.get(variable) == Setting::Unset && !start.environment.is_open() && !flagged && !hidden
}

/// Whether a Service that surely lies in the pod's namespace brings the variable.
fn is_brought(pod: &Pod<'_>, variable: &str, context: &Context<'_>) -> bool {
    let own = Identity::of(pod.object()).namespace;
    // Many unrelated examples of one project say `default`, or leave a name to be filled in.
    let named = own.is_some_and(|own| own != "default" && !is_placeholder(own));
    let Some(services) = context.inventory.services_in(own.or(context.namespace)).present() else { return false };
    let folder = |origin: &str| origin.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
    services.into_iter().any(|service| {
        // Where no namespace tells, neighbours alone are surely meant to live together.
        let together =
            service.namespace.as_deref() == own && (named || folder(&service.origin) == folder(context.origin));
        together && links(service, variable)
    })
}

/// Whether the Service has an address of its own, which is what the kubelet makes variables of, and this variable comes of its
/// name.
fn links(service: &Service, variable: &str) -> bool {
    service.kind != ServiceKind::ExternalName
        && !service.headless
        && variable.strip_suffix("_PORT").is_some_and(|start| {
            start.len() == service.name.len()
                && start
                    .bytes()
                    .zip(service.name.bytes())
                    .all(|(sign, written)| sign == if written == b'-' { b'_' } else { written.to_ascii_uppercase() })
        })
}
