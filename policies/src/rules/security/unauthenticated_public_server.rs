//! `unauthenticated-public-server`: a model server that asks nobody who he is, behind a load balancer.

use crate::container::Container;
use crate::context::Context;
use crate::finding::Finding;
use crate::inventory::{NetworkPolicy, PortName, Service, ServiceKind, Sight, folder};
use crate::profile::{ContainerProfile, Start};
use crate::rule::{Category, Check, Fixable, Needs, Rule, Scope, Severity};
use crate::workload::Pod;

/// The rule.
pub static RULE: Rule = Rule {
    name: "unauthenticated-public-server",
    summary: "a model server without a key can be reached from outside the cluster",
    category: Category::Security,
    severity: Severity::Warning,
    scope: Scope::Any,
    since: "0.1.0",
    needs: Needs::Inventory,
    rationale: "\
A Service of type \
[LoadBalancer](https://kubernetes.io/docs/concepts/services-networking/service/#loadbalancer) is on the Internet in most clouds \
unless an annotation keeps it internal. Model servers and notebooks ask for no key unless they are told to: whoever finds the \
address runs models on your accelerators, reads what others ask, and in a notebook runs code. Give the server a key, keep the load \
balancer internal, limit it by `loadBalancerSourceRanges`, or put a gateway that authenticates before it. Looked at are recognised \
servers all of whose settings are in the manifest, alone in their pod, on the very port that the Service leads to; on a `NodePort`, \
which firewalls often shut, this is advice.",
    bad: "\
apiVersion: v1
kind: Service
metadata:
  name: llm
  namespace: ml
spec:
  type: LoadBalancer
  selector:
    app: llm
  ports:
    - port: 80
      targetPort: 8000
---
apiVersion: v1
kind: Pod
metadata:
  name: llm
  namespace: ml
  labels:
    app: llm
spec:
  containers:
    - name: server
      image: vllm/vllm-openai:v0.11.0
      args:
        - --model=meta-llama/Llama-3.1-8B-Instruct
",
    good: "\
apiVersion: v1
kind: Service
metadata:
  name: llm
  namespace: ml
spec:
  type: LoadBalancer
  selector:
    app: llm
  ports:
    - port: 80
      targetPort: 8000
---
apiVersion: v1
kind: Pod
metadata:
  name: llm
  namespace: ml
  labels:
    app: llm
spec:
  containers:
    - name: server
      image: vllm/vllm-openai:v0.11.0
      args:
        - --model=meta-llama/Llama-3.1-8B-Instruct
      env:
        - name: VLLM_API_KEY
          valueFrom:
            secretKeyRef:
              name: llm
              key: api-key
",
    fixable: Fixable::No,
    check: Check::Pod(check),
};

/// Servers that cannot ask for a key at all.
///
/// Source: their option parsers; see the `source` of each in the catalog.
const NEVER_ASK: &[&str] =
    &["comfyui", "mlserver", "ollama", "tensorflow-serving", "triton", "whisper-asr-webservice", "whisper-cpp-server"];

fn check(pod: &Pod<'_>, context: &Context<'_>) -> Vec<Finding> {
    // A second container may be the proxy that asks.
    let mut running = pod.containers().iter().enumerate().filter(|(_, container)| container.is_long_running());
    let (Some((index, container)), None) = (running.next(), running.next()) else { return Vec::new() };
    let Some(known) = pod.profile().containers.get(index).filter(|known| known.sure && known.runtime.is_some()) else {
        return Vec::new();
    };
    if pod.labels().next().is_none() || is_meshed(pod, context) || container.has_placeholders() {
        return Vec::new();
    }
    let namespace = pod.owner().namespace;
    let services = match context.inventory.services_selecting(namespace, |key| pod.label(key)) {
        Sight::Present(services) => services,
        Sight::Absent | Sight::Unknown => return Vec::new(),
    };
    let exposing = services.into_iter().filter(|service| {
        service.external
            && !service.limited
            && service.namespace.as_deref() == namespace
            && (namespace.is_some() || folder(&service.origin) == folder(context.origin))
            && leads_to(service, container, known)
    });
    // One finding tells of the worst way in.
    let worst = exposing.min_by_key(|service| service.kind != ServiceKind::LoadBalancer);
    let shielded = || known.port.is_some_and(|port| is_shielded(pod, port.into(), context));
    let worst = worst.filter(|_| is_open(pod, known) && !shielded());
    worst.into_iter().map(|service| tell(service, container, known)).collect()
}

fn tell(service: &Service, container: &Container<'_>, known: &ContainerProfile) -> Finding {
    let program = known.runtime.as_ref().map_or("", |runtime| runtime.id.as_str());
    let public = service.kind == ServiceKind::LoadBalancer;
    let way = if public { "a public load balancer" } else { "ports of the nodes" };
    let message = format!(
        "{} runs {program} without a key, and Service `{}` offers it on {way}: set one, keep it internal or put a gateway before it",
        container.title(),
        service.name
    );
    let finding = RULE.finding(container.path().clone(), message);
    if public { finding } else { finding.at_most(Severity::Advice) }
}

/// Whether a mesh puts a proxy before the server, whose policies may ask.
fn is_meshed(pod: &Pod<'_>, context: &Context<'_>) -> bool {
    let on = |value: Option<&str>| matches!(value, Some("true" | "enabled"));
    on(pod.label("sidecar.istio.io/inject"))
        || on(pod.annotation("sidecar.istio.io/inject"))
        || on(pod.annotation("linkerd.io/inject"))
        || pod.label("istio.io/rev").is_some()
        || pod.label("sidecar.istio.io/inject") != Some("false")
            && context.inventory.namespaces().any(|namespace| {
                is_near(Some(&namespace.name), &namespace.origin, pod, context)
                    && (namespace.label("istio-injection") == Some("enabled")
                        || namespace.label("istio.io/rev").is_some()
                        || namespace.label("istio.io/dataplane-mode") == Some("ambient"))
            })
}

/// Whether something of this namespace, seen at `origin`, is about the pod: it is of the namespace that the pod names, or
/// lies in its folder.
fn is_near(namespace: Option<&str>, origin: &str, pod: &Pod<'_>, context: &Context<'_>) -> bool {
    let own = pod.owner().namespace;
    match (own, namespace) {
        (Some(own), Some(namespace)) => own == namespace,
        _ => folder(origin) == folder(context.origin),
    }
}

/// Whether network policies on the pod let in named peers only.
fn is_shielded(pod: &Pod<'_>, port: i64, context: &Context<'_>) -> bool {
    let policies = match context.inventory.network_policies_of(pod.owner().namespace, |key| pod.label(key)) {
        Sight::Present(policies) => policies,
        Sight::Absent | Sight::Unknown => return false,
    };
    let restricting: Vec<_> = policies
        .into_iter()
        .filter(|policy| policy.restricts_ingress)
        .filter(|policy| is_near(policy.namespace.as_deref(), &policy.origin, pod, context))
        .collect();
    let opens = |policy: &&NetworkPolicy| {
        policy.ingress.iter().any(|rule| rule.from_anywhere && rule.lets_in(Some(port), None, "TCP"))
    };
    !restricting.is_empty() && !restricting.iter().any(opens)
}

/// Whether the server surely lets in whoever comes.
fn is_open(pod: &Pod<'_>, known: &ContainerProfile) -> bool {
    let (Some(runtime), Some(start)) = (known.runtime.as_deref(), pod.start(known)) else { return false };
    let hidden = start.command.is_some_and(|command| {
        command.hidden.is_some() || runtime.config_flags.iter().any(|flag| command.flag(flag).is_some())
    });
    if hidden {
        return false;
    }
    match runtime.id.as_str() {
        "jupyter-server" => has_empty_token(&start),
        // Triton can keep parts of its API to those who know a header.
        "triton" => start.command.is_some_and(|command| {
            known.is_server() && !command.words.iter().any(|word| word.text.contains("restricted"))
        }),
        id if NEVER_ASK.contains(&id) => known.is_server(),
        _ if runtime.auth_when == Default::default() => false,
        // Variables that nobody sees may bring a key.
        _ => known.is_server() && !start.environment.is_open() && start.holds(&runtime.auth_when) == Some(false),
    }
}

/// A notebook makes up a token unless it is told to take none.
fn has_empty_token(start: &Start<'_, '_>) -> bool {
    const TOKEN: &[&str] = &["--ServerApp.token", "--NotebookApp.token", "--IdentityProvider.token"];
    const PASSWORD: &[&str] =
        &["--ServerApp.password", "--NotebookApp.password", "--PasswordIdentityProvider.hashed_password"];
    let Some(command) = start.command else { return false };
    let given = |flags: &[&str], wanted: fn(&str) -> bool| {
        command.words.iter().any(|word| {
            word.known
                && word
                    .text
                    .split_once('=')
                    .is_some_and(|(flag, value)| flags.contains(&flag) && wanted(value.trim_matches(['"', '\''])))
        })
    };
    given(TOKEN, str::is_empty) && !given(PASSWORD, |value| !value.is_empty())
}

/// Whether a port of the Service leads to the port on which the server listens.
fn leads_to(service: &Service, container: &Container<'_>, known: &ContainerProfile) -> bool {
    let Some(port) = known.port.map(i64::from) else { return false };
    service.ports.iter().any(|offered| match &offered.target {
        Some(PortName::Number(number)) => *number == port,
        Some(PortName::Name(name)) => {
            container.ports().any(|(number, own)| number == port && own == Some(name.as_str()))
        }
        None => false,
    })
}
