//! An AdmissionReview as it comes from the API server: what of it matters to a verdict, read leniently.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

/// The only version of the protocol that is spoken; v1beta1 went away with Kubernetes 1.22.
pub(crate) const API_VERSION: &str = "admission.k8s.io/v1";
/// As whom the controller of DaemonSets calls: with an account of its own, or with that of its process where the cluster
/// gives controllers none. No user can be either.
const DAEMON_SET_CONTROLLERS: &[&str] =
    &["system:serviceaccount:kube-system:daemon-set-controller", "system:kube-controller-manager"];
/// The kind of a request and of its answer.
pub(crate) const KIND: &str = "AdmissionReview";

/// Why bytes are no request that can be answered. The HTTP status for it is 400: an answer that allows would hide from
/// the API server that nothing was judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Not JSON, or nested too deep; where it broke off, without a word of the contents.
    Json {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// Another `apiVersion` or `kind` than those of an AdmissionReview of version 1.
    Version,
    /// No `request`.
    NoRequest,
    /// A part of the request is absent, empty or not of its type.
    Field(&'static str),
}

impl Malformed {
    /// The HTTP status to answer with.
    pub const STATUS: u16 = 400;

    fn json(error: &serde_json::Error) -> Self {
        Self::Json { line: error.line(), column: error.column() }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json { line, column } => {
                write!(f, "the body is not JSON of the expected form at line {line}, column {column}")
            }
            Self::Version => write!(f, "the body is no {KIND} of {API_VERSION}; set admissionReviewVersions: [\"v1\"]"),
            Self::NoRequest => write!(f, "the {KIND} has no request"),
            Self::Field(field) => write!(f, "the request's {field} is absent or not what it should be"),
        }
    }
}

impl std::error::Error for Malformed {}

/// What is done to the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// It is made.
    Create,
    /// It is changed.
    Update,
    /// It is taken away.
    Delete,
    /// Somebody connects to it, as `kubectl exec` does.
    Connect,
}

impl Operation {
    /// The name as the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Create, Self::Update, Self::Delete, Self::Connect].into_iter().find(|known| known.as_str() == name)
    }
}

/// The part of a request that matters. Objects stay text until a verdict depends on them.
#[derive(Clone)]
pub struct Request<'a> {
    /// Identifies the call; it is echoed.
    pub uid: String,
    /// What is done.
    pub operation: Operation,
    /// The group of the object's kind; empty for the core group.
    pub group: String,
    /// The version of the object's kind.
    pub version: String,
    /// The object's kind.
    pub kind: String,
    /// The plural of the resource; empty when the request names none.
    pub resource: String,
    /// The subresource; empty for the object itself.
    pub subresource: String,
    /// The name; empty when it is still to be generated.
    pub name: String,
    /// The namespace; empty for objects outside namespaces.
    pub namespace: String,
    /// Whether nothing will be stored.
    pub dry_run: bool,
    /// Who asks.
    pub username: String,
    object: Option<&'a RawValue>,
    old_object: Option<&'a RawValue>,
}

impl fmt::Debug for Request<'_> {
    /// Leaves the objects out: what is printed may end up in a log, and objects hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("uid", &self.uid).field("operation", &self.operation).finish_non_exhaustive()
    }
}

impl<'a> Request<'a> {
    /// Reads an AdmissionReview.
    ///
    /// # Errors
    /// When it is none, or its request cannot be answered.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let review: RawReview<'a> = serde_json::from_slice(bytes).map_err(|error| Malformed::json(&error))?;
        if review.api_version.as_deref() != Some(API_VERSION) || review.kind.as_deref() != Some(KIND) {
            return Err(Malformed::Version);
        }
        let request = review.request.ok_or(Malformed::NoRequest)?;
        let uid = request.uid.filter(|uid| !uid.is_empty()).ok_or(Malformed::Field("uid"))?;
        let operation = request.operation.as_deref().and_then(Operation::parse).ok_or(Malformed::Field("operation"))?;
        let kind = request.kind.unwrap_or_default();
        let name = kind.kind.unwrap_or_default();
        if name.is_empty() {
            return Err(Malformed::Field("kind"));
        }
        Ok(Self {
            uid,
            operation,
            group: kind.group.unwrap_or_default(),
            version: kind.version.unwrap_or_default(),
            kind: name,
            resource: request.resource.and_then(|resource| resource.resource).unwrap_or_default(),
            subresource: request.sub_resource.unwrap_or_default(),
            name: request.name.unwrap_or_default(),
            namespace: request.namespace.unwrap_or_default(),
            dry_run: request.dry_run.unwrap_or(false),
            username: request.user_info.and_then(|user| user.username).unwrap_or_default(),
            object: request.object,
            old_object: request.old_object,
        })
    }

    /// Whether this is about pods, or a subresource of theirs.
    pub fn is_pod(&self) -> bool {
        match self.resource.as_str() {
            "" => self.group.is_empty() && self.kind == "Pod",
            resource => self.group.is_empty() && resource == "pods",
        }
    }

    /// The namespace, for whom none is not the empty one.
    pub(crate) fn namespace(&self) -> Option<&str> {
        Some(self.namespace.as_str()).filter(|namespace| !namespace.is_empty())
    }

    /// Whether the request tells what is stored now.
    pub(crate) fn has_old_object(&self) -> bool {
        self.old_object.is_some()
    }

    /// Whether the API server asks for a node agent, which alone may make mirror pods.
    pub(crate) fn is_from_node(&self) -> bool {
        self.username.starts_with("system:node:")
    }

    /// Whether the API server asks for the controller that makes the pods of DaemonSets.
    fn is_from_daemon_set_controller(&self) -> bool {
        DAEMON_SET_CONTROLLERS.contains(&self.username.as_str())
    }

    /// The object that is to be stored.
    ///
    /// # Errors
    /// When there is none, or it is no JSON object, or nested too deep.
    pub(crate) fn object(&self) -> Result<Value, Malformed> {
        parse(self.object, "object")
    }

    /// The object as it is stored now.
    ///
    /// # Errors
    /// When there is none, or it is no JSON object, or nested too deep.
    pub(crate) fn old_object(&self) -> Result<Value, Malformed> {
        parse(self.old_object, "oldObject")
    }

    /// The object with what the request knows better: its kind, which some clients leave out, its namespace, and whose it
    /// is. Rules let the pods of DaemonSets off as agents of their nodes, and anybody can write a reference to an owner,
    /// so it counts only when it comes from the controller that makes these pods.
    pub(crate) fn placed<'v>(&self, object: &'v Value) -> Cow<'v, Value> {
        let api_version =
            if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) };
        let metadata = object.get("metadata").filter(|metadata| metadata.is_object());
        let named = metadata.and_then(|metadata| metadata.get("namespace")).and_then(Value::as_str);
        let missing = |key: &str| object.get(key).is_none_or(Value::is_null);
        let foreign = named.is_some_and(|named| !named.is_empty() && named != self.namespace);
        let owners = metadata.and_then(|metadata| metadata.get("ownerReferences")).and_then(Value::as_array);
        let claimed = self.is_pod()
            && !self.is_from_daemon_set_controller()
            && owners.is_some_and(|owners| owners.iter().any(is_daemon_set));
        if !missing("apiVersion") && !missing("kind") && !foreign && !claimed {
            return Cow::Borrowed(object);
        }
        let mut placed = object.clone();
        if let Value::Object(map) = &mut placed {
            if missing("apiVersion") {
                map.insert("apiVersion".to_owned(), Value::from(api_version));
            }
            if missing("kind") {
                map.insert("kind".to_owned(), Value::from(self.kind.as_str()));
            }
            if let Some(Value::Object(metadata)) = map.get_mut("metadata") {
                if foreign {
                    metadata.insert("namespace".to_owned(), Value::from(self.namespace.as_str()));
                }
                if claimed && let Some(Value::Array(owners)) = metadata.get_mut("ownerReferences") {
                    owners.retain(|owner| !is_daemon_set(owner));
                }
            }
        }
        Cow::Owned(placed)
    }
}

/// Whether a reference names a DaemonSet as the owner, in whichever version.
fn is_daemon_set(reference: &Value) -> bool {
    let text = |key: &str| reference.get(key).and_then(Value::as_str).unwrap_or_default();
    text("kind") == "DaemonSet" && text("apiVersion").starts_with("apps/")
}

fn parse(raw: Option<&RawValue>, field: &'static str) -> Result<Value, Malformed> {
    let raw = raw.ok_or(Malformed::Field(field))?;
    let value: Value = serde_json::from_str(raw.get()).map_err(|error| Malformed::json(&error))?;
    if value.is_object() { Ok(value) } else { Err(Malformed::Field(field)) }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawReview<'a> {
    api_version: Option<String>,
    kind: Option<String>,
    #[serde(borrow, default)]
    request: Option<RawRequest<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawRequest<'a> {
    uid: Option<String>,
    operation: Option<String>,
    kind: Option<RawKind>,
    resource: Option<RawResource>,
    sub_resource: Option<String>,
    name: Option<String>,
    namespace: Option<String>,
    dry_run: Option<bool>,
    user_info: Option<RawUser>,
    #[serde(borrow, default, deserialize_with = "present")]
    object: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    old_object: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct RawKind {
    group: Option<String>,
    version: Option<String>,
    kind: Option<String>,
}

#[derive(Deserialize)]
struct RawResource {
    resource: Option<String>,
}

#[derive(Deserialize)]
struct RawUser {
    username: Option<String>,
}

/// A raw `null` is a text like any other to serde; here it is no object.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    let raw: &RawValue = Deserialize::deserialize(deserializer)?;
    Ok((raw.get() != "null").then_some(raw))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn review(request: Value) -> Vec<u8> {
        json!({"apiVersion": API_VERSION, "kind": KIND, "request": request}).to_string().into_bytes()
    }

    fn error(bytes: &[u8]) -> Malformed {
        Request::read(bytes).unwrap_err()
    }

    #[test]
    fn what_cannot_be_answered_is_malformed() {
        for bytes in [&b""[..], b"x", b"[]", b"{", b"\xff", b"{\"apiVersion\": 1}"] {
            assert!(matches!(error(bytes), Malformed::Json { .. }), "{bytes:?}");
        }
        assert_eq!(error(b"{}"), Malformed::Version);
        let beta = json!({"apiVersion": "admission.k8s.io/v1beta1", "kind": KIND, "request": {"uid": "u"}});
        assert_eq!(error(beta.to_string().as_bytes()), Malformed::Version);
        assert_eq!(error(&review(Value::Null)), Malformed::NoRequest);
        assert_eq!(error(&review(json!({"operation": "CREATE", "kind": {"kind": "Pod"}}))), Malformed::Field("uid"));
        assert_eq!(error(&review(json!({"uid": "", "operation": "CREATE"}))), Malformed::Field("uid"));
        assert_eq!(error(&review(json!({"uid": "u", "operation": "PATCH"}))), Malformed::Field("operation"));
        assert_eq!(error(&review(json!({"uid": "u", "operation": "CREATE"}))), Malformed::Field("kind"));
    }

    #[test]
    fn nulls_and_unknown_fields_are_no_obstacle_and_escapes_are_read() {
        let bytes = review(
            json!({"uid": "a\"b", "operation": "DELETE", "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": null, "subResource": null, "object": null, "userInfo": {"username": "x", "extra": {"a": ["b"]}}, "later": [1]}),
        );
        let request = Request::read(&bytes).unwrap();
        assert_eq!(request.uid, "a\"b");
        assert!(request.is_pod());
        assert_eq!(request.object().unwrap_err(), Malformed::Field("object"));
    }

    #[test]
    fn an_object_nested_too_deep_is_malformed_and_a_number_is_no_object() {
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
        let bytes = format!(
            r#"{{"apiVersion":"{API_VERSION}","kind":"{KIND}","request":{{"uid":"u","operation":"CREATE","kind":{{"kind":"Pod"}},"object":{deep},"oldObject":5}}}}"#
        );
        let request = Request::read(bytes.as_bytes()).unwrap();
        assert!(matches!(request.object(), Err(Malformed::Json { .. })));
        assert_eq!(request.old_object().unwrap_err(), Malformed::Field("oldObject"));
    }

    #[test]
    fn the_request_knows_the_namespace_and_kind_better_than_the_object() {
        let bytes = review(
            json!({"uid": "u", "operation": "CREATE", "namespace": "ml", "kind": {"group": "", "version": "v1", "kind": "Pod"}}),
        );
        let request = Request::read(&bytes).unwrap();
        let placed = request.placed(&json!({"metadata": {"namespace": "other"}})).into_owned();
        assert_eq!(placed, json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "ml"}}));
        let whole = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}});
        assert!(matches!(request.placed(&whole), Cow::Borrowed(_)));
    }

    #[test]
    fn only_the_controller_of_daemon_sets_says_what_belongs_to_one() {
        let reference = |kind: &str, controller: bool| json!({"apiVersion": "apps/v1", "kind": kind, "name": "n", "controller": controller});
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a",
            "ownerReferences": [reference("DaemonSet", true), reference("ReplicaSet", false)]}});
        let placed = |username: &str| {
            let bytes = review(
                json!({"uid": "u", "operation": "CREATE", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "userInfo": {"username": username}}),
            );
            Request::read(&bytes).unwrap().placed(&pod).into_owned()
        };
        for controller in DAEMON_SET_CONTROLLERS {
            assert_eq!(placed(controller), pod);
        }
        for user in ["", "alice", "system:serviceaccount:ml:daemon-set-controller", "system:node:worker-1"] {
            let owners = &placed(user)["metadata"]["ownerReferences"];
            assert_eq!(*owners, json!([reference("ReplicaSet", false)]), "{user}");
        }
    }
}
