//! That what is shipped comes up, confined as it says and with no right too many or too few, and that applying it again
//! changes nothing.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::stage::{ACCOUNT, NAMESPACE, Stage, installed};

/// Applies `install.yaml` as it is. Both replicas become ready, confined as the manifest says, and are called.
pub(crate) async fn comes_up(stage: &Stage) {
    stage.install().await;
    let replicas = stage.rolled_out().await;
    for replica in &replicas {
        assert_eq!(replica.restarts, 0, "{replica:?}");
        let status = replica.kernel(stage, "status");
        let value = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_else(|| panic!("no {key}"));
            line.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            (value("Uid:").as_str(), value("Gid:").as_str()),
            ("65532 65532 65532 65532", "65532 65532 65532 65532")
        );
        assert_eq!(value("CapPrm:"), "0000000000000000");
        assert_eq!(value("CapBnd:"), "0000000000000000");
        assert_eq!(value("NoNewPrivs:"), "1");
        // By a filter, which is the runtime's own.
        assert_eq!(value("Seccomp:"), "2");
        let mounts = replica.kernel(stage, "mountinfo");
        let root = mounts.lines().find(|line| line.split(' ').nth(4) == Some("/")).unwrap();
        assert!(root.split(' ').nth(5).unwrap().split(',').any(|option| option == "ro"), "{root}");
        eprintln!("{}: {} resident, {} at most", replica.name, value("VmRSS:"), value("VmHWM:"));
    }
    // That they were let in although the API server enforces it.
    let namespace = stage.get(&["namespace", NAMESPACE]).await;
    assert_eq!(namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted");

    stage.bundle().await;
    let holder = stage.get(&["lease", "-n", NAMESPACE, "buttress-webhook"]).await["spec"]["holderIdentity"].clone();
    let holder = holder.as_str().unwrap();
    let mut leaders = Vec::new();
    for replica in &replicas {
        if replica.metric("buttress_leader", &[]).await == Some(1.0) {
            leaders.push(replica.name.as_str());
        }
    }
    assert!(leaders.len() == 1 && holder.starts_with(leaders[0]), "{holder} leads, and {leaders:?} say so");
}

/// Applying the same manifest again touches nothing that the webhook wrote, and replaces no replica.
pub(crate) async fn applying_again_changes_nothing(stage: &Stage) {
    let state = async || {
        let secret = stage.get(&["secret", "-n", NAMESPACE, "buttress-webhook-ca"]).await["data"].clone();
        let lease = stage.get(&["lease", "-n", NAMESPACE, "buttress-webhook"]).await["spec"].clone();
        let replicas: Vec<String> = stage.replicas().await.into_iter().map(|replica| replica.container).collect();
        let held = (lease["holderIdentity"].clone(), lease["leaseTransitions"].clone());
        (stage.bundles().await, secret, held, replicas)
    };
    let before = state().await;
    assert!(before.0.iter().all(Value::is_string) && before.1.as_object().is_some_and(|data| !data.is_empty()));
    stage.install().await;
    assert_eq!(state().await, before);
}

/// Of all that the webhook asked of the API server nothing was refused, and of the rights that it has it used every one.
pub(crate) fn used_the_rights_that_it_has(stage: &Stage) {
    let rights = rights();
    let asked = stage.cluster.audit_events().into_iter().filter(|event| event["user"]["username"] == ACCOUNT);
    let mut used = BTreeSet::new();
    for event in asked {
        let of = &event["objectRef"];
        let text = |key: &str| of[key].as_str().map(|text| format!("/{text}")).unwrap_or_default();
        let any = format!(
            "{} {}",
            event["verb"].as_str().unwrap(),
            (text("resource") + &text("subresource")).trim_start_matches('/')
        );
        let one = format!("{any} {}", text("name").trim_start_matches('/'));
        let code = event["responseStatus"]["code"].as_u64().unwrap();
        assert!(code != 401 && code != 403, "{one} is refused: {event}");
        used.insert(if rights.contains(&one) { one } else { any });
    }
    assert_eq!(used, rights);

    let log = stage.log();
    assert!(log.len() > 20, "the log of the webhook is read");
    let told: Vec<&Value> = log
        .iter()
        .filter(|event| event["level"] == "ERROR" || event.to_string().to_lowercase().contains("forbidden"))
        .collect();
    assert!(told.is_empty(), "{told:#?}");
}

/// Each verb on each resource that `install.yaml` grants, with the name of the object where it is for one alone.
fn rights() -> BTreeSet<String> {
    let objects = installed();
    let roles = objects.iter().filter(|object| object["kind"] == "ClusterRole" || object["kind"] == "Role");
    let mut rights = BTreeSet::new();
    for rule in roles.flat_map(|role| role["rules"].as_array().unwrap()) {
        let list = |key: &str| rule[key].as_array().into_iter().flatten().map(|text| text.as_str().unwrap());
        for (verb, resource) in list("verbs").flat_map(|verb| list("resources").map(move |resource| (verb, resource))) {
            let right = format!("{verb} {resource}");
            let named: Vec<String> = list("resourceNames").map(|name| format!("{right} {name}")).collect();
            rights.extend(if named.is_empty() { vec![right] } else { named });
        }
    }
    rights
}
