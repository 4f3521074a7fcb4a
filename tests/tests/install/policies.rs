//! Policies as resources: they take effect by namespace as they are applied, a bad one leaves the last good one in force,
//! and their status says what became of them.

use std::time::Duration;

use buttress_tests::cluster::{Registration, eventually, holds};

use crate::support::{apply_policy, cluster, namespace, policy, ready, refuses_privileged, settles, webhook};

const DENY: &str = "{enforcement: deny, podSecurity: {level: baseline}}";

#[tokio::test]
async fn a_policy_takes_effect_in_its_namespaces_and_a_bad_one_leaves_the_last_good_one() {
    let cluster = cluster().await;
    let webhook = webhook(&cluster, "webhook").await;
    let ml = namespace(&cluster, &webhook, "ml").await;
    let web = namespace(&cluster, &webhook, "web").await;
    // Without any Policy it observes.
    assert!(!refuses_privileged(&cluster, &ml).await);

    let spec = "{namespaces: [\"ml-*\"], enforcement: deny, podSecurity: {level: baseline}}";
    let applied = apply_policy(&cluster, "ml", spec).await;
    assert_eq!(ready(&applied).0, "InForce");
    settles(&cluster, &ml, true).await;
    assert!(!refuses_privileged(&cluster, &web).await);

    // A mistake that the schema of the resource cannot know.
    let bad =
        apply_policy(&cluster, "ml", "{enforcement: warn, rules: {privileged-contianer: {severity: error}}}").await;
    let (reason, message) = ready(&bad);
    assert_eq!(reason, "Invalid");
    assert!(message.contains("Generation 1 stays in force") && message.contains("privileged-container"), "{message}");
    holds("the last good Policy stays", Duration::from_secs(2), async || refuses_privileged(&cluster, &ml).await).await;
    assert_eq!(webhook.metric("buttress_config_last_reload_successful", &[]).await, 0.0);
    let shown = cluster.kubectl(&["get", "policies.buttress.dev"]).await.stdout;
    assert!(shown.contains("False") && shown.contains("Invalid"), "{shown}");

    // Also over a restart, when nobody has seen the good version.
    webhook.process().restart();
    webhook.ready().await;
    holds("the last good Policy stays", Duration::from_secs(2), async || refuses_privileged(&cluster, &ml).await).await;

    // Mended, it takes effect as it is now: for all namespaces.
    let mended = apply_policy(&cluster, "ml", DENY).await;
    assert_eq!(ready(&mended).0, "InForce");
    settles(&cluster, &web, true).await;
    assert_eq!(webhook.metric("buttress_config_last_reload_successful", &[]).await, 1.0);

    // Made anew under the same name, it is told of again.
    let anew = format!("apiVersion: buttress.dev/v1alpha1\nkind: Policy\nmetadata: {{name: ml}}\nspec: {DENY}\n");
    let replaced = cluster.kubectl_with(&["replace", "--force", "-f", "-"], &anew).await;
    assert!(replaced.success, "{}", replaced.stderr);
    eventually("the new Policy has a status", async || {
        let policy = policy(&cluster, "ml").await;
        (policy["status"]["observedGeneration"] == 1).then_some(())
    })
    .await;

    cluster.kubectl(&["delete", "policies.buttress.dev", "ml"]).await;
    settles(&cluster, &ml, false).await;
}

#[tokio::test]
async fn what_the_schema_knows_is_refused_when_it_is_applied_and_what_it_does_not_know_is_told() {
    let cluster = cluster().await;
    let policy_of =
        |spec: &str| format!("apiVersion: buttress.dev/v1alpha1\nkind: Policy\nmetadata: {{name: a}}\nspec: {spec}\n");
    for (spec, told) in [
        ("{enforcement: dney}", "spec.enforcement: Unsupported value"),
        ("{priority: high}", "spec.priority"),
        ("{namespaces: []}", "spec.namespaces"),
        ("{exemptions: [{rules: [a]}]}", "reason"),
    ] {
        let refused = cluster.kubectl_with(&["create", "-f", "-"], &policy_of(spec)).await;
        assert!(!refused.success && refused.stderr.contains(told), "{spec}: {}", refused.stderr);
    }
    // What a file may leave empty, the resource may too.
    let empty = "{enforcement: null, preset: null, edition: null, rules: {privileged-container: {severity: null}}}";
    let taken = cluster.kubectl_with(&["create", "--dry-run=server", "-f", "-"], &policy_of(empty)).await;
    assert!(taken.success, "{}", taken.stderr);
    // A key that is mistyped is kept, so that it can be told and is not lost without a word.
    let webhook = webhook(&cluster, "webhook").await;
    let odd = apply_policy(&cluster, "a", "{enforcment: deny}").await;
    let (reason, message) = ready(&odd);
    assert!(reason == "Invalid" && message.contains("enforcement"), "{message}");
    assert_eq!(odd["spec"]["enforcment"], "deny");
    assert!(message.contains("Nothing of this Policy is in force"), "{message}");
    drop(webhook);
}

#[tokio::test]
async fn policies_of_one_priority_on_one_namespace_are_told_as_a_conflict() {
    let cluster = cluster().await;
    let webhook = webhook(&cluster, "webhook").await;
    let ml = namespace(&cluster, &webhook, "ml").await;
    apply_policy(&cluster, "all", "{enforcement: warn}").await;
    let layered = apply_policy(
        &cluster,
        "ml",
        "{priority: 10, namespaces: [\"ml-*\"], enforcement: deny, podSecurity: {level: baseline}}",
    )
    .await;
    assert_eq!(ready(&layered).0, "InForce");
    settles(&cluster, &ml, true).await;
    let same = apply_policy(&cluster, "other", "{priority: 10, namespaces: [\"*\"], enforcement: observe}").await;
    let (reason, message) = ready(&same);
    assert!(reason == "Conflict" && message.contains(&ml) && message.contains("Also ml has priority 10"), "{message}");
    eventually("the other one is told too", async || {
        (ready(&policy(&cluster, "ml").await).0 == "Conflict").then_some(())
    })
    .await;
    // The stricter enforcement holds.
    assert!(refuses_privileged(&cluster, &ml).await);
    // They meet no longer when the only namespace is gone in which they did.
    apply_policy(&cluster, "other", "{priority: 10, namespaces: [\"gone\"], enforcement: observe}").await;
    apply_policy(&cluster, "gone", "{priority: 10, namespaces: [\"gone\"], enforcement: observe}").await;
    cluster.kubectl(&["create", "namespace", "gone"]).await;
    let reason = async |name: &str| ready(&policy(&cluster, name).await).0;
    eventually("they meet in the new namespace", async || (reason("gone").await == "Conflict").then_some(())).await;
    cluster.kubectl(&["delete", "namespace", "gone", "--wait=false"]).await;
    eventually("they meet no longer", async || (reason("gone").await == "InForce").then_some(())).await;
    cluster.kubectl(&["delete", "policies.buttress.dev", "other"]).await;
    eventually("the conflict is over", async || (ready(&policy(&cluster, "ml").await).0 == "InForce").then_some(()))
        .await;
}

#[tokio::test]
async fn two_replicas_write_one_status_and_come_to_rest() {
    let cluster = cluster().await;
    let _one = webhook(&cluster, "one").await;
    let _two = webhook(&cluster, "two").await;
    apply_policy(&cluster, "a", DENY).await;
    apply_policy(&cluster, "a", "{enforcement: warn, rules: {no-such-rule: {severity: error}}}").await;
    let version = async || policy(&cluster, "a").await["metadata"]["resourceVersion"].clone();
    // Both have written by then.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = version().await;
    holds("nobody writes the status any more", Duration::from_secs(3), async || version().await == before).await;
}

#[tokio::test]
async fn an_edition_keeps_an_upgrade_from_denying_or_patching_anew() {
    // No older release is there to upgrade from. To an edition before the first release every rule is new, so that a
    // replica which goes by it stands for the old one, and one with all rules for the new one.
    let cluster = cluster().await;
    let webhook = webhook(&cluster, "webhook").await;
    let ml = namespace(&cluster, &webhook, "ml").await;
    let gpu = "apiVersion: v1\nkind: Pod\nmetadata: {name: llm}\nspec:\n  containers:\n  - name: server\n    image: vllm/vllm-openai:v0.11.0\n    args: [--model, meta-llama/Llama-3.1-8B-Instruct]\n    resources: {limits: {nvidia.com/gpu: \"1\"}}\n";
    let tried = async || {
        let output =
            cluster.kubectl_with(&["create", "-n", &ml, "--dry-run=server", "-o", "json", "-f", "-"], gpu).await;
        assert!(output.success, "{}", output.stderr);
        serde_json::from_str::<serde_json::Value>(&output.stdout).unwrap()["spec"]["tolerations"]
            .to_string()
            .contains("nvidia.com/gpu")
    };
    apply_policy(&cluster, "a", DENY).await;
    settles(&cluster, &ml, true).await;
    assert!(tried().await, "the rules of this release repair");

    apply_policy(&cluster, "a", "{enforcement: deny, edition: \"0.0\", podSecurity: {level: baseline}}").await;
    settles(&cluster, &ml, false).await;
    assert!(!tried().await, "to that edition every rule is new, and repairs nothing");

    // While the edition holds, old and new replicas answer alike, whichever is asked.
    let second = crate::support::webhook(&cluster, "second").await;
    Registration::new("second", &[&ml]).apply(&cluster, &second).await;
    for _ in 0..5 {
        assert!(!refuses_privileged(&cluster, &ml).await && !tried().await);
    }
}
