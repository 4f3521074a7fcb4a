//! Where the serving certificate comes from: files, or the built-in authority in the cluster.

use std::env;
use std::process;
use std::sync::Arc;

use buttress_certs::authority::Lifetimes;
use buttress_certs::cluster::{Authority, Configuration, Election, LeaseTimes};
use buttress_certs::{CertsError, ClientAuthority, Events, Files, Identity, POLL, Served, server_config};
use kube::Client;
use rustls::ServerConfig;
use tokio::sync::watch;

use crate::cli::Serve;
use crate::health::{Health, Phase};
use crate::life::Tasks;

/// The serving certificate as it is now, and what keeps it in order.
pub(crate) struct Tls {
    /// What is served.
    pub(crate) served: Served,
    /// The TLS side of the port.
    pub(crate) config: Arc<ServerConfig>,
    source: Source,
    clients: Option<ClientAuthority>,
}

enum Source {
    Files(Files),
    Authority(Box<(Authority, Election)>),
}

impl Tls {
    /// Reads what the flags name.
    ///
    /// # Errors
    /// When a file cannot be read or used.
    pub(crate) fn new(arguments: &Serve) -> Result<Self, CertsError> {
        let clients = match &arguments.client_ca_file {
            Some(path) => Some(ClientAuthority::read(path, arguments.client_name.clone())?),
            None => None,
        };
        let served = Served::new();
        let source = match (&arguments.tls_cert_file, &arguments.tls_private_key_file) {
            (Some(certificate), Some(key)) => {
                served.swap(Identity::read(certificate, key)?);
                Source::Files(Files { certificate: certificate.clone(), key: key.clone(), names: called_by(arguments) })
            }
            // The flags ask for one or the other.
            _ => authority(arguments)?,
        };
        Ok(Self { config: server_config(&served, clients.clone())?, served, source, clients })
    }

    /// Whether an API server is needed.
    pub(crate) fn needs_cluster(&self) -> bool {
        matches!(self.source, Source::Authority(_))
    }

    /// Keeps the certificate in order from now on, by `tasks`. `client` is there when [`Tls::needs_cluster`].
    pub(crate) fn keep(self, client: Option<&Client>, health: &Health, events: &Events, tasks: &mut Tasks) {
        if let Some(clients) = self.clients {
            tasks.keep("authority of the clients", clients.follow(POLL, events.clone()));
        }
        match (self.source, client) {
            (Source::Files(files), _) => {
                tasks.keep("certificate files", files.follow(self.served, POLL, events.clone()));
            }
            (Source::Authority(built_in), Some(client)) => {
                let (authority, election) = *built_in;
                let leads = watch::Sender::new(false);
                let follows = leads.subscribe();
                let health = health.clone();
                // Given back early, so that another replica leads before this one is gone.
                let leaving = async move { health.reached(Phase::Leaving).await };
                tasks.keep("election", election.run(client.clone(), leads, leaving, events.clone()));
                tasks.keep("built-in authority", authority.run(client.clone(), follows, self.served, events.clone()));
            }
            (Source::Authority(_), None) => {}
        }
    }
}

/// The names by which it is certainly called: by the Service's, which the API server uses, and by those of the flags. A
/// certificate need not have the other names of the Service.
fn called_by(arguments: &Serve) -> Vec<String> {
    let service = &arguments.service;
    let by_service = arguments.namespace.iter().map(|namespace| format!("{service}.{namespace}.svc"));
    by_service.chain(arguments.dns_name.iter().cloned()).collect()
}

/// The names for which certificates are made. By the first the API server calls.
fn names(arguments: &Serve) -> Vec<String> {
    let service = &arguments.service;
    let in_cluster = arguments.namespace.iter().flat_map(|namespace| {
        let name = format!("{service}.{namespace}");
        [format!("{name}.svc"), format!("{name}.svc.cluster.local"), name]
    });
    in_cluster.chain(arguments.dns_name.iter().cloned()).collect()
}

fn authority(arguments: &Serve) -> Result<Source, CertsError> {
    let namespace = arguments.namespace.clone().unwrap_or_default();
    let authority = Authority {
        namespace: namespace.clone(),
        secret: arguments.authority_secret.clone().unwrap_or_default(),
        configurations: vec![
            Configuration::Mutating(arguments.mutating_webhook_configuration.clone()),
            Configuration::Validating(arguments.validating_webhook_configuration.clone()),
        ],
        names: names(arguments),
        lifetimes: Lifetimes::new(arguments.ca_lifetime, arguments.certificate_lifetime)?,
        poll: POLL.min(arguments.certificate_lifetime / 30),
    };
    let election =
        Election { namespace, lease: arguments.lease.clone(), identity: identity(), times: LeaseTimes::default() };
    Ok(Source::Authority(Box::new((authority, election))))
}

/// A name that no other replica has. In a pod the host's name is the pod's, but for pods of the host network.
fn identity() -> String {
    let host = env::var("POD_NAME").or_else(|_| env::var("HOSTNAME")).unwrap_or_else(|_| "buttress-webhook".to_owned());
    format!("{host}-{}", process::id())
}
