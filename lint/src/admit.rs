//! `buttress admit`: the admission webhook on the command line, for an AdmissionReview or for manifests.

use std::io::Write;

use buttress_policies::policy::Enforcement;
use buttress_review::{Admitted, Settings, admit_pod, pods_of, review};
use buttress_yaml::{File, to_string};
use jiff::civil::Date;
use serde_json::{Value, json};

use crate::cli::AdmitArgs;
use crate::files::gather;
use crate::objects::{identity, objects};
use crate::policy::Policies;
use crate::report::{count, place};
use crate::session::{CLEAN, FAILED, FOUND, Outcome, Session, Stop};
use crate::source::Problem;

/// Runs the command.
pub(crate) fn run(args: &AdmitArgs, session: &mut Session) -> Outcome {
    let policies = match Policies::load(&args.policy, &session.directory) {
        Ok(policies) => policies,
        Err(problems) => return crate::policy_failure(&problems),
    };
    let mut settings = Settings::new(policies.all().to_vec());
    if policies.all().is_empty() {
        settings = settings.with_enforcement(Enforcement::Deny);
        writeln!(session.stderr, "note: there is no Policy; shown is what `enforcement: deny` would do")?;
    }
    let gathered = gather(std::slice::from_ref(&args.file), session);
    if !gathered.folders.is_empty() {
        return Err(Stop::Failure(format!("{}: is a folder; name a file", args.file.display())));
    }
    let mut problems = gathered.problems;
    let (mut allowed, mut seen) = (true, false);
    for input in &gathered.inputs {
        let text = match input.read() {
            Ok(text) => text,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        let file = File::parse(text);
        for document in file.documents() {
            match document.value() {
                Ok(value) => {
                    let mut court = Court { args, settings: &settings, policies: &policies, seen: &mut seen };
                    allowed &= court.hear(value, session)?;
                }
                Err(error) => problems.push(Problem {
                    file: input.name.clone(),
                    place: Some(file.line_column(error.offset)),
                    message: format!("cannot be read: {}", error.message),
                }),
            }
        }
        if file.documents().is_empty() {
            problems.push(Problem { file: input.name.clone(), place: None, message: "is empty".to_owned() });
        }
    }
    session.stdout.flush()?;
    for problem in &problems {
        writeln!(session.stderr, "{}: error: {}", place(problem), problem.message)?;
    }
    Ok(match (problems.is_empty(), allowed) {
        (false, _) => FAILED,
        (true, true) => CLEAN,
        (true, false) => FOUND,
    })
}

/// What is judged by.
struct Court<'a> {
    args: &'a AdmitArgs,
    settings: &'a Settings,
    policies: &'a Policies,
    /// Whether something was written, so that what follows needs a separator.
    seen: &'a mut bool,
}

impl Court<'_> {
    /// Answers one document; whether it is allowed.
    fn hear(&mut self, value: &Value, session: &mut Session) -> Result<bool, Stop> {
        if let Some((_, "AdmissionReview")) = identity(value) {
            return self.answer(value, session);
        }
        let items = objects(value);
        if items.is_empty() {
            writeln!(session.stderr, "note: a document without apiVersion and kind is passed by")?;
        }
        let mut allowed = true;
        for item in items {
            let mut object = item.value.into_owned();
            self.place(&mut object);
            allowed &= self.admit(&object, session)?;
        }
        Ok(allowed)
    }

    fn answer(&self, value: &Value, session: &mut Session) -> Result<bool, Stop> {
        let bytes = serde_json::to_vec(value).map_err(|error| error.to_string())?;
        let answer = review(&bytes, self.settings, session.today).map_err(|malformed| malformed.to_string())?;
        let body: Value = serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
        crate::write_json(&body, session)?;
        let response = body.get("response").unwrap_or(&Value::Null);
        let allowed = response.get("allowed").and_then(Value::as_bool).unwrap_or(false);
        let verdict = if allowed { "admitted" } else { "denied" };
        writeln!(session.stderr, "{verdict}: {}", answer.summary.decision.as_str())?;
        if let Some(message) = response.pointer("/status/message").and_then(Value::as_str) {
            writeln!(session.stderr, "  {message}")?;
        }
        warn(response, session)?;
        Ok(allowed)
    }

    /// Gives an object that names no namespace the one of the command line, as `kubectl -n` does.
    fn place(&self, object: &mut Value) {
        let Some(namespace) = &self.args.policy.namespace else { return };
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut)
            && metadata.get("namespace").is_none_or(|named| named.is_null() || named == "")
        {
            metadata.insert("namespace".to_owned(), json!(namespace));
        }
    }

    /// Shows an object and each pod that would come of it.
    fn admit(&mut self, object: &Value, session: &mut Session) -> Result<bool, Stop> {
        let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str);
        let effective = self.policies.of(namespace);
        let pods = pods_of(object, effective.catalog());
        let is_pod = matches!(identity(object), Some(("v1", "Pod")));
        if !is_pod {
            self.document(object, session)?;
            self.warn_of(object, session)?;
        }
        let mut allowed = true;
        for pod in pods {
            let admitted = admit_pod(&pod, self.settings, session.today);
            self.document(&admitted.pod, session)?;
            tell(&admitted, session)?;
            allowed &= admitted.allowed;
        }
        Ok(allowed)
    }

    fn document(&mut self, value: &Value, session: &mut Session) -> std::io::Result<()> {
        if std::mem::replace(self.seen, true) {
            session.stdout.write_all(b"---\n")?;
        }
        session.stdout.write_all(to_string(value).as_bytes())
    }

    /// The warnings with which an object that is no pod would be let in.
    fn warn_of(&self, object: &Value, session: &mut Session) -> Result<(), Stop> {
        let bytes = serde_json::to_vec(&request(object)).map_err(|error| error.to_string())?;
        let answer = answer_of(&bytes, self.settings, session.today)?;
        writeln!(session.stderr, "{}: admitted", name_of(object))?;
        warn(answer.get("response").unwrap_or(&Value::Null), session)?;
        Ok(())
    }
}

fn answer_of(bytes: &[u8], settings: &Settings, today: Date) -> Result<Value, String> {
    let answer = buttress_review::validate(bytes, settings, today).map_err(|malformed| malformed.to_string())?;
    serde_json::from_slice(&answer.body).map_err(|error| error.to_string())
}

/// The request with which the object would be made.
fn request(object: &Value) -> Value {
    let (api_version, kind) = identity(object).unwrap_or_default();
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let metadata = |key: &str| object.get("metadata").and_then(|metadata| metadata.get(key)).unwrap_or(&Value::Null);
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "buttress-admit",
            "kind": {"group": group, "version": version, "kind": kind},
            "operation": "CREATE",
            "namespace": metadata("namespace").as_str(),
            "name": metadata("name").as_str(),
            "object": object,
        },
    })
}

/// An object as verdicts call it.
fn name_of(object: &Value) -> String {
    crate::judge::Subject::of(object, None).to_string()
}

fn tell(admitted: &Admitted, session: &mut Session) -> std::io::Result<()> {
    let err = &mut session.stderr;
    let name = name_of(&admitted.pod);
    if !admitted.allowed {
        writeln!(err, "{name}: denied")?;
        writeln!(err, "  {}", admitted.message.as_deref().unwrap_or("the Policy refuses it"))?;
    } else if admitted.repaired.is_empty() {
        writeln!(err, "{name}: admitted as it is")?;
    } else {
        writeln!(err, "{name}: admitted with {}", count(admitted.repaired.len(), "repair", "repairs"))?;
    }
    for finding in &admitted.repaired {
        let title = finding.fix.as_ref().map(|fix| fix.title.as_str()).unwrap_or_default();
        writeln!(err, "  repaired {}: {title}", finding.rule.name)?;
    }
    for warning in &admitted.warnings {
        writeln!(err, "  warning: {warning}")?;
    }
    Ok(())
}

fn warn(response: &Value, session: &mut Session) -> std::io::Result<()> {
    let warnings = response.get("warnings").and_then(Value::as_array);
    for warning in warnings.into_iter().flatten().filter_map(Value::as_str) {
        writeln!(session.stderr, "  warning: {warning}")?;
    }
    Ok(())
}
