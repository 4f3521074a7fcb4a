//! `buttress inspect`: what Buttress sees in workloads, and the probes that it would give if there were none.

use std::io::Write;

use anstyle::AnsiColor;
use buttress_policies::object::Object;
use buttress_policies::profile::{Call, ContainerProfile, Probe};
use buttress_policies::workload::Pod;
use buttress_yaml::File;
use serde::Serialize;

use crate::Colour;
use crate::cli::{InspectArgs, TextOrJson};
use crate::files::gather;
use crate::judge::{Subject, survey};
use crate::objects::objects;
use crate::policy::Policies;
use crate::report::{Paint, place};
use crate::session::{CLEAN, FAILED, Outcome, Session};
use crate::source::Problem;

/// The version of the form for programs.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Document {
    version: u32,
    workloads: Vec<Workload>,
}

/// A pod, or a template that pods are made from.
#[derive(Serialize)]
struct Workload {
    file: String,
    document: usize,
    object: Named,
    pod_path: String,
    ai: bool,
    role: &'static str,
    runtime: Option<String>,
    container: Option<String>,
    evidence: Vec<String>,
    accelerators: Vec<Accelerator>,
    replicas: Option<i64>,
    model: Option<Model>,
    probes: Probes,
    why: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    api_version: String,
    kind: String,
    namespace: Option<String>,
    name: Option<String>,
}

#[derive(Serialize)]
struct Accelerator {
    resource: String,
    count: i64,
}

#[derive(Serialize)]
struct Model {
    name: String,
    parameters: Option<u64>,
}

#[derive(Default, Serialize)]
struct Probes {
    startup: Option<Ask>,
    readiness: Option<Ask>,
    liveness: Option<Ask>,
}

/// What a probe asks.
#[derive(Serialize)]
struct Ask {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheme: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<String>,
}

/// Runs the command.
pub(crate) fn run(args: &InspectArgs, colour: Colour, session: &mut Session) -> Outcome {
    let policies = match Policies::load(&args.policy, &session.directory) {
        Ok(policies) => policies,
        Err(problems) => return crate::policy_failure(&problems),
    };
    let gathered = gather(&args.paths, session);
    let mut problems: Vec<Problem> = gathered.problems;
    let (mut workloads, mut documents) = (Vec::new(), 0);
    for input in &gathered.inputs {
        let file = match input.read() {
            Ok(text) => File::parse(text),
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        let verdict = survey(input, &file);
        documents += verdict.documents;
        problems.extend(verdict.problems);
        for (number, document) in file.documents().iter().enumerate() {
            let Ok(value) = document.value() else { continue };
            for item in objects(value) {
                let subject = Subject::of(&item.value, args.policy.namespace.as_deref());
                let policy = policies.of(subject.namespace.as_deref());
                let object = Object::new(&item.value, policy.catalog());
                for pod in object.pods() {
                    workloads.push(Workload::of(&input.name, number, &subject, item.base.as_str(), pod));
                }
            }
        }
    }
    match args.format {
        TextOrJson::Json => {
            crate::write_json(&Document { version: VERSION, workloads }, session)?;
        }
        TextOrJson::Text => {
            for workload in &workloads {
                workload.write(colour.out, &mut session.stdout)?;
            }
        }
    }
    session.stdout.flush()?;
    if documents == 0 && problems.is_empty() {
        writeln!(session.stderr, "note: no Kubernetes manifests found")?;
    }
    for problem in &problems {
        writeln!(session.stderr, "{}: error: {}", place(problem), problem.message)?;
    }
    Ok(if problems.is_empty() { CLEAN } else { FAILED })
}

impl Workload {
    fn of(file: &str, document: usize, subject: &Subject, base: &str, pod: &Pod<'_>) -> Self {
        let profile = pod.profile();
        let container = profile.main.and_then(|main| pod.containers().get(main));
        let (probes, why) = probes(profile.main());
        let path = if pod.has_spec() { pod.spec().path() } else { pod.root() };
        Self {
            file: file.to_owned(),
            document,
            object: Named {
                api_version: subject.api_version.clone(),
                kind: subject.kind.clone(),
                namespace: subject.namespace.clone(),
                name: subject.name.clone(),
            },
            pod_path: format!("{base}{path}"),
            ai: profile.ai,
            role: profile.role.as_str(),
            runtime: profile.runtime().map(|runtime| runtime.id.clone()),
            container: container.map(|container| container.name().to_owned()),
            evidence: profile.evidence.clone(),
            accelerators: profile
                .accelerators
                .iter()
                .map(|asked| Accelerator { resource: asked.resource.clone(), count: asked.count })
                .collect(),
            replicas: pod.replicas(),
            model: profile.model.as_ref().map(|model| Model { name: model.name.clone(), parameters: model.parameters }),
            probes,
            why,
        }
    }

    fn write(&self, colour: bool, out: &mut dyn Write) -> std::io::Result<()> {
        let bold = Paint::new(colour, AnsiColor::White);
        let object = Subject {
            api_version: String::new(),
            kind: self.object.kind.clone(),
            namespace: self.object.namespace.clone(),
            name: self.object.name.clone(),
        };
        writeln!(out, "{bold}{object}{bold:#}  {} {}", self.file, self.pod_path)?;
        let mut line = |key: &str, value: &str| match value {
            "" => Ok(()),
            value => writeln!(out, "  {key:13} {value}"),
        };
        line("role", &if self.ai { self.role.to_owned() } else { format!("{} (no AI)", self.role) })?;
        line("runtime", self.runtime.as_deref().unwrap_or_default())?;
        line("container", self.container.as_deref().unwrap_or_default())?;
        let accelerators: Vec<_> =
            self.accelerators.iter().map(|asked| format!("{} × {}", asked.count, asked.resource)).collect();
        line("accelerators", &accelerators.join(", "))?;
        if let Some(model) = &self.model {
            let size = model.parameters.map(|count| format!(" ({} parameters)", rounded(count))).unwrap_or_default();
            line("model", &format!("{}{size}", model.name))?;
        }
        line("replicas", &self.replicas.map(|replicas| replicas.to_string()).unwrap_or_default())?;
        for (key, probe) in [
            ("startup", &self.probes.startup),
            ("readiness", &self.probes.readiness),
            ("liveness", &self.probes.liveness),
        ] {
            line(key, &probe.as_ref().map(Ask::words).unwrap_or_default())?;
        }
        for reason in &self.why {
            line("no probe", reason)?;
        }
        for evidence in &self.evidence {
            line("because", evidence)?;
        }
        writeln!(out)
    }
}

/// The probes that a container would get, and why it would not get some.
fn probes(container: Option<&ContainerProfile>) -> (Probes, Vec<String>) {
    match container.map(|container| &container.probes) {
        Some(Ok(set)) => {
            let ask = |probe: &Option<Probe>| probe.as_ref().map(Ask::of);
            let probes =
                Probes { startup: ask(&set.startup), readiness: ask(&set.readiness), liveness: ask(&set.liveness) };
            (probes, set.why.clone())
        }
        Some(Err(why)) => (Probes::default(), why.clone()),
        None => (Probes::default(), vec!["no container does the work".to_owned()]),
    }
}

impl Ask {
    fn of(probe: &Probe) -> Self {
        let mut ask = Self { r#type: "tcp", path: None, port: probe.port, scheme: None, service: None };
        match &probe.call {
            Call::Http { path, https } => {
                ask.r#type = "http";
                ask.path = Some(path.clone());
                ask.scheme = https.then_some("HTTPS");
            }
            Call::Tcp => {}
            Call::Grpc { service } => {
                ask.r#type = "grpc";
                ask.service = Some(service.clone()).filter(|service| !service.is_empty());
            }
        }
        ask
    }

    fn words(&self) -> String {
        let path = self.path.as_deref().unwrap_or_default();
        let by = if self.scheme.is_some() { "https" } else { self.r#type };
        format!("{by} :{}{path}", self.port)
    }
}

/// A number as people say it of models.
fn rounded(count: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let (billions, millions) = (count as f64 / 1e9, count as f64 / 1e6);
    if billions >= 1.0 { format!("{billions:.3}B").replace(".000B", "B") } else { format!("{millions:.0}M") }
}
