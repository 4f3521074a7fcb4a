//! What a cluster is to be like.

/// How a cluster differs from a plain one.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub(super) audit: bool,
    pub(super) audited: Vec<String>,
    pub(super) kwok: bool,
    pub(super) api_server_flags: Vec<String>,
    pub(super) controller_manager_flags: Vec<String>,
    pub(super) scheduler_flags: Vec<String>,
    pub(super) enabled: Vec<String>,
    pub(super) disabled: Vec<String>,
    pub(super) feature_gates: Vec<String>,
}

impl Options {
    /// With a kwok, which plays the kubelet of the nodes that [`super::Cluster::gpu_node`] and
    /// [`super::Cluster::plain_node`] make.
    #[must_use]
    pub fn with_kwok(mut self) -> Self {
        self.kwok = true;
        self
    }

    /// With an audit log, at the level RequestResponse for everything that is written; read by
    /// [`super::Cluster::audit_events`].
    #[must_use]
    pub fn with_audit(mut self) -> Self {
        self.audit = true;
        self
    }

    /// With an audit log like [`Options::with_audit`], and in it also every other request of this user, without bodies.
    #[must_use]
    pub fn with_audit_of(mut self, user: &str) -> Self {
        self.audited.push(user.to_owned());
        self.with_audit()
    }

    /// The API server calls the endpoints of a Service by itself, as nobody here makes cluster addresses work.
    #[must_use]
    pub fn with_aggregator_routing(self) -> Self {
        self.with_api_server_flag("--enable-aggregator-routing=true")
    }

    /// With an admission plugin that is off by default, such as `ExtendedResourceToleration`.
    #[must_use]
    pub fn with_plugin(mut self, name: &str) -> Self {
        self.enabled.push(name.to_owned());
        self
    }

    /// Without an admission plugin that is on by default, such as `PodSecurity`.
    #[must_use]
    pub fn without_plugin(mut self, name: &str) -> Self {
        self.disabled.push(name.to_owned());
        self
    }

    /// With a feature gate switched, in every component.
    #[must_use]
    pub fn with_feature(mut self, name: &str, on: bool) -> Self {
        self.feature_gates.push(format!("{name}={on}"));
        self
    }

    /// With one more flag of the API server. It comes last, so it can overrule another one.
    #[must_use]
    pub fn with_api_server_flag(mut self, flag: &str) -> Self {
        self.api_server_flags.push(flag.to_owned());
        self
    }

    /// With one more flag of the controller manager.
    #[must_use]
    pub fn with_controller_manager_flag(mut self, flag: &str) -> Self {
        self.controller_manager_flags.push(flag.to_owned());
        self
    }

    /// With one more flag of the scheduler.
    #[must_use]
    pub fn with_scheduler_flag(mut self, flag: &str) -> Self {
        self.scheduler_flags.push(flag.to_owned());
        self
    }
}
