//! Breaking the glass, and mending it.

use std::process::Command;

use buttress_tests::cluster::binary;

use crate::loss::upgrade;
use crate::stage::{ML, NOWHERE, Stage, injected, model_server};

/// `buttress-webhook disable`, on the machine of an administrator: pods are created as they are written. What is applied again,
/// by kubectl's other way, is called again.
pub(crate) async fn breaks_and_is_mended(stage: &Stage) {
    let bundle = stage.bundle().await;
    let disable = Command::new(binary("buttress-webhook-under-test"))
        .arg("disable")
        .env("KUBECONFIG", stage.cluster.kubeconfig())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&disable.stdout);
    assert!(disable.status.success(), "{}", String::from_utf8_lossy(&disable.stderr));
    assert!(told.contains("mutatingwebhookconfiguration/buttress-webhook deleted"), "{told}");
    assert!(told.contains("validatingwebhookconfiguration/buttress-webhook deleted"), "{told}");
    assert!(told.contains("kubectl apply"), "{told}");
    for kind in ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"] {
        assert!(stage.get(&[kind]).await["items"].as_array().unwrap().is_empty(), "{kind}");
    }
    stage.settles("nobody is asked any more", ML, |pod| injected(pod).is_empty()).await;
    let asked = stage.answers(&[]).await;
    let pod = stage.create(ML, &model_server("unrepaired", NOWHERE)).await.unwrap();
    assert!(injected(&pod).is_empty());
    assert_eq!(stage.answers(&[]).await, asked);

    upgrade(stage, &[]).await;
    assert_eq!(stage.bundle().await, bundle, "the authority was kept");
    stage.settles("pods are repaired again", ML, |pod| !injected(pod).is_empty()).await;
}
