//! The answer, exactly as the API server accepts it.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use json_patch::Patch;
use serde::Serialize;

use crate::request::{API_VERSION, KIND};

/// What is answered to one request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Response {
    pub(crate) patch: Option<Patch>,
    /// Why the request is refused; `None` allows it.
    pub(crate) denial: Option<String>,
    pub(crate) warnings: Vec<String>,
    /// The API server files them under the webhook's name. Keys are constant and values depend on the object alone,
    /// because it refuses a key that comes back with another value when it calls again.
    pub(crate) audit: BTreeMap<&'static str, String>,
}

impl Response {
    /// The bytes of the AdmissionReview that answers the request `uid`.
    pub(crate) fn to_bytes(&self, uid: &str) -> Vec<u8> {
        let patch = self.patch.as_ref().filter(|patch| self.denial.is_none() && !patch.0.is_empty());
        let patch = patch.and_then(|patch| serde_json::to_vec(patch).ok()).map(|bytes| STANDARD.encode(bytes));
        let review = Review {
            api_version: API_VERSION,
            kind: KIND,
            response: Body {
                uid,
                allowed: self.denial.is_none(),
                // Both or neither, or the API server takes the answer for broken.
                patch_type: patch.is_some().then_some("JSONPatch"),
                patch,
                status: self.denial.as_deref().map(|message| Status { code: 403, reason: "Forbidden", message }),
                warnings: &self.warnings,
                audit_annotations: &self.audit,
            },
        };
        // Only maps with keys that are no text can fail to be written, and there are none.
        serde_json::to_vec(&review).unwrap_or_default()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Review<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: Body<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    warnings: &'a [String],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    audit_annotations: &'a BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
struct Status<'a> {
    code: u16,
    reason: &'static str,
    message: &'a str,
}

#[cfg(test)]
mod tests {
    use json_patch::jsonptr::PointerBuf;
    use json_patch::{AddOperation, PatchOperation};
    use serde_json::{Value, json};

    use super::*;

    fn written(response: &Response) -> Value {
        serde_json::from_slice(&response.to_bytes("u-1")).unwrap()
    }

    #[test]
    fn an_answer_without_anything_is_short() {
        assert_eq!(
            written(&Response::default()),
            json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": {"uid": "u-1", "allowed": true}})
        );
    }

    #[test]
    fn patch_and_patch_type_come_together_or_not_at_all() {
        let add = AddOperation { path: PointerBuf::parse("/a").unwrap(), value: json!(1) };
        let mut response = Response { patch: Some(Patch(vec![PatchOperation::Add(add)])), ..Response::default() };
        let body = written(&response)["response"].clone();
        assert_eq!(body["patchType"], "JSONPatch");
        let patch = STANDARD.decode(body["patch"].as_str().unwrap()).unwrap();
        assert_eq!(patch, br#"[{"op":"add","path":"/a","value":1}]"#);
        response.denial = Some("no".to_owned());
        let body = written(&response)["response"].clone();
        assert_eq!(
            body,
            json!({"uid": "u-1", "allowed": false, "status": {"code": 403, "reason": "Forbidden", "message": "no"}})
        );
        let empty = Response { patch: Some(Patch(Vec::new())), ..Response::default() };
        assert!(written(&empty)["response"].get("patchType").is_none());
    }
}
