//! Where a server listens, as far as its flags and variables tell: the port, the address, and settings with a meaning for
//! probes. What cannot be told is an error with the reason, never a guess.

use super::accelerators;
use super::recognition::claims;
use crate::catalog::{Address, Bind, Catalog, Condition, Counting, Port, Sources, words};
use crate::container::Container;
use crate::invocation::Invocation;
use crate::shell::{Command, Environment, Flag, POD_ADDRESS, Setting};

/// What a server was started with.
#[derive(Debug)]
pub struct Start<'s, 'a> {
    /// The command; `None` when the image decides all.
    pub command: Option<&'s Command<'a>>,
    /// The variables that it gets.
    pub environment: &'s Environment<'a>,
    /// The container that it runs in.
    pub container: &'s Container<'a>,
    /// How many devices the container asks for; `None` when that is not known.
    pub devices: Option<u64>,
}

impl<'s, 'a> Start<'s, 'a> {
    /// What the program that stands at `command` among the commands of `invocation` is started with.
    pub(crate) fn new(
        container: &'s Container<'a>,
        invocation: &'s Invocation<'a>,
        command: Option<usize>,
        catalog: &Catalog,
    ) -> Self {
        let command = command.and_then(|at| invocation.line.commands.get(at));
        let environment = command.map_or(&invocation.environment, |command| &command.environment);
        let devices = accelerators::of_container(container, catalog);
        let whole = !devices.iter().any(|asked| asked.counts == Counting::Virtual);
        let devices = devices.iter().filter(|asked| whole && asked.counts.is_devices()).map(|asked| asked.count);
        let devices = u64::try_from(devices.fold(0_i64, i64::saturating_add)).ok();
        let devices = devices.filter(|devices| *devices > 0 && !claims(container));
        Self { command, environment, container, devices }
    }
}

impl<'s> Start<'s, '_> {
    fn flag(&self, names: &[String]) -> Option<(String, Flag<'s>)> {
        self.command?.any_flag(names).map(|(name, flag)| (name.to_owned(), flag))
    }

    fn env(&self, names: &[String]) -> Option<(String, Result<&'s str, ()>)> {
        names.iter().find_map(|name| match self.environment.get(name) {
            Setting::Set("") | Setting::Unset => None,
            Setting::Set(value) => Some((name.clone(), Ok(value))),
            Setting::Unknown => Some((name.clone(), Err(()))),
        })
    }

    /// The number of a port.
    ///
    /// # Errors
    /// Why it cannot be told, or that it listens on none.
    pub fn port(&self, port: &Port) -> Result<u16, String> {
        if let Some((name, flag)) = self.flag(&port.flags) {
            return number(&name, flag);
        }
        if let Some((name, flag)) = self.flag(&port.address_flags) {
            let Flag::Set(value) = flag else { return Err(format!("the value of `{name}` is not in the manifest")) };
            if let Some(port) = split_address(value).1 {
                return Ok(port);
            }
        }
        if let Some((name, value)) = self.env(&port.env) {
            let value = value.map_err(|()| format!("the value of the variable `{name}` is not in the manifest"))?;
            return number(&name, Flag::Set(value));
        }
        if let Some((name, value)) = self.env(&port.address_env) {
            let value = value.map_err(|()| format!("the value of the variable `{name}` is not in the manifest"))?;
            if let Some(port) = split_address(value).1 {
                return Ok(port);
            }
        }
        let default = port.default.ok_or_else(|| "it listens on no port unless told to".to_owned())?;
        // A ConfigMap or Secret may set the variable unseen; a declared port of the same number says that it does not.
        let variables = port.env.iter().chain(&port.address_env).next();
        match variables {
            Some(name) if self.environment.is_open() && !self.declares(default) => {
                Err(format!("`envFrom` may set `{name}`, and the container does not declare port {default}"))
            }
            _ => Ok(default),
        }
    }

    fn declares(&self, port: u16) -> bool {
        self.container.ports().any(|(number, _)| number == i64::from(port))
    }

    /// Whether the kubelet can reach it.
    ///
    /// # Errors
    /// The reason why not, or why it cannot be told.
    pub fn reachable(&self, bind: &Bind, port: Option<&Port>) -> Result<(), String> {
        let none = Vec::new();
        let (address_flags, address_env) = port.map_or((&none, &none), |port| (&port.address_flags, &port.address_env));
        for (names, whole) in [(&bind.flags, true), (address_flags, false)] {
            match self.flag(names) {
                Some((_, Flag::Bare)) => return Ok(()),
                Some((name, Flag::Unknown(_))) => {
                    return Err(format!("the address it listens on, the value of `{name}`, is not in the manifest"));
                }
                Some((_, Flag::Set(value))) => return address(if whole { value } else { split_address(value).0 }),
                None => {}
            }
        }
        for (names, whole) in [(&bind.env, true), (address_env, false)] {
            match self.env(names) {
                Some((name, Err(()))) => {
                    return Err(format!("the address it listens on, the variable `{name}`, is not in the manifest"));
                }
                Some((_, Ok(value))) => return address(if whole { value } else { split_address(value).0 }),
                None => {}
            }
        }
        match bind.default {
            Address::All => Ok(()),
            Address::Loopback => {
                let hint = bind.flags.first().map(|flag| format!("; set `{flag} 0.0.0.0`")).unwrap_or_default();
                Err(format!("it listens on the loopback address, where neither kubelet nor clients reach it{hint}"))
            }
        }
    }

    /// Whether it listens on the loopback address alone, by its flags and variables or by its own default; `None` when that
    /// is not certain: an image may set the variable, or hold the file, that says otherwise.
    pub fn is_on_loopback(&self, bind: &Bind, port: Option<&Port>) -> Option<bool> {
        let none = Vec::new();
        let (address_flags, address_env) = port.map_or((&none, &none), |port| (&port.address_flags, &port.address_env));
        for (names, whole) in [(&bind.flags, true), (address_flags, false)] {
            match self.flag(names) {
                Some((_, Flag::Bare)) => return Some(false),
                Some((_, Flag::Unknown(_))) => return None,
                Some((_, Flag::Set(value))) => return loopback(if whole { value } else { split_address(value).0 }),
                None => {}
            }
        }
        for (names, whole) in [(&bind.env, true), (address_env, false)] {
            match self.env(names) {
                Some((_, Err(()))) => return None,
                Some((_, Ok(value))) => return loopback(if whole { value } else { split_address(value).0 }),
                None => {}
            }
        }
        match bind.default {
            Address::All => Some(false),
            Address::Loopback if !bind.flags.is_empty() && bind.env.is_empty() && address_env.is_empty() => Some(true),
            Address::Loopback => None,
        }
    }

    /// Whether a condition holds; `None` when it depends on a value that is not in the manifest.
    pub fn holds(&self, condition: &Condition) -> Option<bool> {
        if condition.unless.iter().any(|setting| self.flag_is(setting) == Some(true)) {
            return Some(false);
        }
        if !condition.with.is_empty() && condition.with.iter().all(|setting| self.flag_is(setting) == Some(false)) {
            return Some(false);
        }
        let commands = condition
            .commands
            .iter()
            .map(|phrase| Some(self.command.is_some_and(|command| command.find(&words(phrase)).is_some())));
        let flags = condition.flags.iter().map(|setting| self.flag_is(setting));
        let env = condition.env.iter().map(|setting| self.env_is(setting));
        commands.chain(flags).chain(env).try_fold(false, |any, holds| match holds {
            Some(holds) => Some(any || holds),
            None if any => Some(true),
            None => None,
        })
    }

    fn flag_is(&self, setting: &str) -> Option<bool> {
        let (name, values) = split_setting(setting);
        match self.command.and_then(|command| command.flag(name)) {
            None => Some(false),
            Some(Flag::Bare) => Some(values.is_none()),
            Some(Flag::Set(value)) => Some(is(value, values)),
            Some(Flag::Unknown(_)) => values.is_none().then_some(true),
        }
    }

    fn env_is(&self, setting: &str) -> Option<bool> {
        let (name, values) = split_setting(setting);
        match self.environment.get(name) {
            Setting::Unset | Setting::Set("") => Some(false),
            Setting::Set(value) => Some(is(value, values)),
            // Set to nothing, or to `false`, or not at all: to be set somewhere else tells none of it.
            Setting::Unknown => None,
        }
    }

    /// A value that is set somewhere, or its default.
    ///
    /// # Errors
    /// When it is set to something that is not in the manifest.
    pub fn value(&self, sources: &Sources) -> Result<Option<String>, String> {
        match self.flag(&sources.flags) {
            Some((_, Flag::Set(value))) => return Ok(Some(value.to_owned())),
            Some((name, _)) => return Err(format!("the value of `{name}` is not in the manifest")),
            None => {}
        }
        match self.env(&sources.env) {
            Some((_, Ok(value))) => return Ok(Some(value.to_owned())),
            Some((name, Err(()))) => return Err(format!("the value of the variable `{name}` is not in the manifest")),
            None => {}
        }
        match sources.env.first() {
            Some(name) if self.environment.is_open() => Err(format!("`envFrom` may set `{name}`")),
            _ => Ok(sources.default.clone()),
        }
    }

    /// A degree of parallelism, one where it is not set; `None` when it cannot be told.
    pub fn degree(&self, flags: &[String], env: &[String]) -> Option<u64> {
        if let Some(degree) = self.count(flags).ok()? {
            return Some(degree);
        }
        match self.env(env) {
            Some((_, value)) => value.ok()?.parse().ok(),
            None => Some(1),
        }
    }

    /// A whole number that a flag gives: `Ok(None)` when it is not set, an error when it cannot be told.
    pub fn count(&self, names: &[String]) -> Result<Option<u64>, String> {
        match self.flag(names) {
            None => Ok(None),
            Some((name, Flag::Set(value))) => {
                value.parse().map(Some).map_err(|_| format!("the value of `{name}` is no number"))
            }
            Some((name, _)) => Err(format!("the value of `{name}` is not in the manifest")),
        }
    }
}

fn number(name: &str, flag: Flag<'_>) -> Result<u16, String> {
    match flag {
        Flag::Set(value) => match value.parse::<u16>() {
            Ok(port) if port > 0 => Ok(port),
            _ => Err(format!("its port, the value of `{name}`, is no port number")),
        },
        Flag::Unknown(_) | Flag::Bare => Err(format!("its port, the value of `{name}`, is not in the manifest")),
    }
}

/// Host and port of `[scheme://]host[:port]`; a scheme brings a port of its own.
fn split_address(text: &str) -> (&str, Option<u16>) {
    let (scheme, rest) = match text.split_once("://") {
        Some(("http", rest)) => (Some(80), rest),
        Some(("https", rest)) => (Some(443), rest),
        Some((_, rest)) => (None, rest),
        None => (None, text),
    };
    let rest = rest.split('/').next().unwrap_or(rest);
    let (host, port) = match rest.rfind(']') {
        Some(close) => (&rest[..=close], rest[close + 1..].strip_prefix(':')),
        None => match rest.rsplit_once(':') {
            // More than one colon without brackets is an IPv6 address and no port.
            Some((host, port)) if !host.contains(':') => (host, Some(port)),
            _ => (rest, None),
        },
    };
    (host, port.and_then(|port| port.parse().ok()).filter(|port| *port > 0).or(scheme))
}

/// Whether `host` is the loopback address; `None` for a name or an address that may be any.
fn loopback(host: &str) -> Option<bool> {
    match address(host) {
        Ok(()) => Some(false),
        Err(_) if is_loopback(host) => Some(true),
        Err(_) => None,
    }
}

fn is_loopback(host: &str) -> bool {
    host.starts_with("127.") || matches!(host, "localhost" | "::1" | "[::1]")
}

/// Whether the kubelet reaches a server that listens on `host`.
fn address(host: &str) -> Result<(), String> {
    let one = |host: &str| {
        let bare = host.trim().trim_start_matches('[').trim_end_matches(']');
        matches!(bare, "" | "0.0.0.0" | "::" | "*" | "0" | "::0" | "0:0:0:0:0:0:0:0") || bare == POD_ADDRESS
    };
    if host.split(',').any(one) {
        return Ok(());
    }
    if is_loopback(host) {
        return Err("it listens on the loopback address, where neither kubelet nor clients reach it".to_owned());
    }
    Err("it listens on one address only, which need not be that of the pod".to_owned())
}

/// Name and accepted values of a setting such as `--ssl-cert-reqs=2` or `NIM_SSL_MODE=tls|TLS`.
fn split_setting(setting: &str) -> (&str, Option<&str>) {
    setting.split_once('=').map_or((setting, None), |(name, values)| (name, Some(values)))
}

fn is(value: &str, values: Option<&str>) -> bool {
    match values {
        Some(values) if values.starts_with('!') => values[1..].split('|').all(|other| other != value),
        Some(values) => values.split('|').any(|accepted| accepted == value),
        None => !matches!(value, "" | "false" | "False" | "FALSE" | "0" | "no" | "off"),
    }
}
