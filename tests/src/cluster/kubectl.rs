//! kubectl as people use it: what it prints is what they see.

use std::path::Path;
use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::start::Cluster;
use super::tools::CONTROL_PLANE;

/// What a run of kubectl came to.
#[derive(Clone, Debug)]
pub struct Output {
    /// Whether it exited with 0.
    pub success: bool,
    /// What it printed.
    pub stdout: String,
    /// What it said about it, warnings and errors.
    pub stderr: String,
}

impl Cluster {
    /// Runs kubectl as the administrator.
    pub async fn kubectl(&self, arguments: &[&str]) -> Output {
        self.kubectl_with(arguments, "").await
    }

    /// Runs kubectl as the administrator, with `input` as its standard input (`-f -`).
    pub async fn kubectl_with(&self, arguments: &[&str], input: &str) -> Output {
        kubectl(self, self.kubeconfig(), arguments, input).await
    }

    /// Runs kubectl as who is named in a kubeconfig, for example of [`Cluster::service_account_kubeconfig`].
    pub async fn kubectl_as(&self, kubeconfig: &Path, arguments: &[&str], input: &str) -> Output {
        kubectl(self, kubeconfig, arguments, input).await
    }

    /// Applies manifests, as YAML, in `namespace` where they name none.
    ///
    /// # Panics
    /// When they are not accepted, with what kubectl says.
    pub async fn apply(&self, namespace: &str, manifests: &str) -> Output {
        let output = self.kubectl_with(&["apply", "-n", namespace, "-f", "-"], manifests).await;
        assert!(output.success, "kubectl apply: {}", output.stderr);
        output
    }
}

async fn kubectl(cluster: &Cluster, kubeconfig: &Path, arguments: &[&str], input: &str) -> Output {
    let mut kubectl = Command::new(CONTROL_PLANE.path("kubectl"))
        .args(arguments)
        .env("KUBECONFIG", kubeconfig)
        // What it knows of a server is kept by address, and ports come back.
        .env("KUBECACHEDIR", cluster.folder().join("kubectl"))
        .env_remove("KUBECTL_EXTERNAL_DIFF")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run kubectl: {error}"));
    if let Some(mut stdin) = kubectl.stdin.take() {
        // Who reads no input closes it, which is no failure.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    let output = kubectl.wait_with_output().await.unwrap_or_else(|error| panic!("kubectl is gone: {error}"));
    Output {
        success: output.status.success(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
