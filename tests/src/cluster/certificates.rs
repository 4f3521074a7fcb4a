//! Certificates for the occasion: an authority, and what it signs for servers and for clients.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

/// An authority of its own, in memory and as a file.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    file: PathBuf,
}

/// A certificate and its key, in files as PEM.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl Authority {
    /// Makes an authority of this common name, whose certificate is `NAME.crt` in `folder`.
    pub fn new(name: &str, folder: &Path) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        let issuer =
            CertifiedIssuer::self_signed(params, key()).unwrap_or_else(|error| panic!("no authority: {error}"));
        let file = folder.join(format!("{name}.crt"));
        write(&file, &issuer.pem());
        Self { issuer, file }
    }

    /// The certificate of the authority, as PEM.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// The file with the certificate of the authority.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// A serving pair for these DNS names and IP addresses, as `NAME.crt` and `NAME.key` beside the authority. Made once
    /// more under the same name, it takes the place of the earlier one.
    pub fn serving(&self, name: &str, hosts: &[&str]) -> Pair {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts).unwrap_or_else(|error| panic!("bad name of a host: {error}"));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(name, name, params)
    }

    /// A client pair for this user, of at most one group.
    pub fn client(&self, user: &str, group: Option<&str>) -> Pair {
        let mut params = CertificateParams::default();
        if let Some(group) = group {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(&format!("client-{}", user.replace([':', '/'], "-")), user, params)
    }

    fn sign(&self, file: &str, name: &str, mut params: CertificateParams) -> Pair {
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let key = key();
        let signed = params.signed_by(&key, &self.issuer).unwrap_or_else(|error| panic!("cannot sign {name}: {error}"));
        let folder = self.file.parent().unwrap_or(Path::new("."));
        let pair = Pair { certificate: folder.join(format!("{file}.crt")), key: folder.join(format!("{file}.key")) };
        write(&pair.certificate, &signed.pem());
        write(&pair.key, &key.serialize_pem());
        pair
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Authority").field("file", &self.file).finish_non_exhaustive()
    }
}

/// Makes the key pair with which the API server signs tokens of service accounts, and by which it checks them.
pub(super) fn signing_key(folder: &Path) -> Pair {
    let key = key();
    let pair = Pair { certificate: folder.join("tokens.pub"), key: folder.join("tokens.key") };
    write(&pair.certificate, &key.public_key_pem());
    write(&pair.key, &key.serialize_pem());
    pair
}

fn key() -> KeyPair {
    KeyPair::generate().unwrap_or_else(|error| panic!("no key: {error}"))
}

fn write(file: &Path, text: &str) {
    fs::write(file, text).unwrap_or_else(|error| panic!("cannot write {}: {error}", file.display()));
}
