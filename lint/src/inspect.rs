//! `buttress inspect`: what Buttress sees in workloads, and the probes that it would give if there were none.

use std::io::Write;

use anstyle::AnsiColor;
use buttress_policies::inventory::Inventory;
use buttress_policies::object::Object;
use buttress_policies::profile::{Call, ContainerProfile, Probe, Profile};
use buttress_policies::workload::Pod;
use buttress_yaml::File;
use serde::Serialize;

use crate::Colour;
use crate::cli::{InspectArgs, TextOrJson};
use crate::files::{Gathered, Names, gather};
use crate::judge::{Subject, survey};
use crate::objects::objects;
use crate::policy::Policies;
use crate::project::{Projects, facts};
use crate::report::{Paint, place};
use crate::session::{CLEAN, FAILED, Outcome, Session};
use crate::source::{Input, Problem, may_hold_objects};

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
    let look = Look { policies: &policies, namespace: args.policy.namespace.as_deref() };
    let (mut found, mut asked, mut documents) = (Vec::new(), Vec::new(), 0);
    let mut problems: Vec<Problem> = Vec::new();
    for input in &gathered.inputs {
        let nothing = Inventory::unknown();
        match input.read().map(File::parse) {
            Ok(file) => {
                let verdict = survey(input, &file);
                documents += verdict.documents;
                problems.extend(verdict.problems);
                found.push(look.workloads(input, &file, &nothing));
            }
            Err(problem) => {
                problems.push(problem);
                found.push(Vec::new());
            }
        }
        asked.push(nothing.was_asked());
    }
    if asked.contains(&true) {
        look.again(&gathered, &asked, &mut found, &Names::new(&session.directory));
    }
    let workloads: Vec<Workload> = found.into_iter().flatten().collect();
    let problems: Vec<Problem> = gathered.problems.into_iter().chain(problems).collect();
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

/// What workloads are looked at with.
struct Look<'a> {
    policies: &'a Policies,
    /// The namespace of objects that name none.
    namespace: Option<&'a str>,
}

impl Look<'_> {
    /// The workloads of a file, with what is in sight beside it.
    fn workloads(&self, input: &Input, file: &File, inventory: &Inventory) -> Vec<Workload> {
        let mut workloads = Vec::new();
        for (number, document) in file.documents().iter().enumerate() {
            let Ok(value) = document.value() else { continue };
            for item in objects(value) {
                let subject = Subject::of(&item.value, self.namespace);
                let policy = self.policies.of(subject.namespace.as_deref());
                let object = Object::new(&item.value, policy.catalog());
                for pod in object.pods().iter().chain(object.flat_pods()) {
                    let devices = inventory.devices_of(pod, subject.namespace.as_deref()).present();
                    let profile = devices.filter(|devices| !devices.is_empty()).map_or_else(
                        || pod.profile().clone(),
                        |devices| Profile::with_claimed(pod, policy.catalog(), &devices),
                    );
                    workloads.push(Workload::of(&input.name, number, &subject, item.base.as_str(), pod, &profile));
                }
            }
        }
        workloads
    }

    /// Looks again at the inputs whose pods claim devices, now with the claims of their projects in sight.
    fn again(&self, gathered: &Gathered, asked: &[bool], found: &mut [Vec<Workload>], names: &Names) {
        let projects = Projects::of(gathered, names);
        let policy = self.policies.of(self.namespace);
        let inputs = gathered.inputs.iter().chain(&projects.others);
        // What cannot be read says nothing; it was told above where it was named.
        let said = inputs.map(|input| {
            let text = input.read().ok().filter(|text| may_hold_objects(text));
            let file = text.map(File::parse);
            (input, file.map_or_else(Inventory::unknown, |file| facts(&file, &input.name, policy.catalog())))
        });
        let inventories = projects.inventories(said);
        for ((input, found), _) in gathered.inputs.iter().zip(found).zip(asked).filter(|(_, asked)| **asked) {
            if let Ok(text) = input.read() {
                *found = self.workloads(input, &File::parse(text), inventories.of(input));
            }
        }
    }
}

impl Workload {
    fn of(file: &str, document: usize, subject: &Subject, base: &str, pod: &Pod<'_>, profile: &Profile) -> Self {
        let container = profile.main.and_then(|main| pod.containers().get(main));
        let (probes, why) = match pod.containers() {
            [] => {
                (Probes::default(), vec![format!("the operator of {} makes the pods and their probes", subject.kind)])
            }
            _ => probes(profile.main()),
        };
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
            container: container.map(|container| container.name().to_owned()).filter(|name| !name.is_empty()),
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
