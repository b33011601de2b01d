//! What the directives say about TLS, in the form that rustls takes.

use std::sync::Arc;

use mio::net::TcpStream;
use rustls::crypto::CryptoProvider;
use rustls::server::NoClientAuth;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, ServerConfig, SupportedProtocolVersion};

use super::session::Session;
use super::verify::{Authorities, ClientVerifier};
use super::{Client, TlsError, ciphers, client, files, resumption};
use crate::config::{Config, TlsAuthClients};

/// The server's side for clients, and its side as a client of others.
///
/// It stays as it is when the directives change: new connections get new settings, those that stand keep theirs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Clients need not, may, and have to show a certificate.
    server: [Arc<ServerConfig>; 3],
    client: Client,
}

impl Settings {
    /// Reads the directives and their files.
    ///
    /// # Errors
    /// When something is missing or of no use; the text is for the log.
    pub fn new(config: &Config) -> Result<Settings, TlsError> {
        let missing = |directive: &str| TlsError(format!("No {directive} configured!"));
        let certificate = config.tls_cert_file.as_deref().ok_or_else(|| missing("tls-cert-file"))?;
        let key = config.tls_key_file.as_deref().ok_or_else(|| missing("tls-key-file"))?;
        let (ca_file, ca_folder) = (config.tls_ca_cert_file.as_deref(), config.tls_ca_cert_dir.as_deref());
        let checks_others =
            config.tls_auth_clients != TlsAuthClients::No || config.tls_cluster || config.tls_replication;
        if checks_others && ca_file.is_none() && ca_folder.is_none() {
            return Err(TlsError(
                "Either tls-ca-cert-file or tls-ca-cert-dir must be specified when tls-cluster, tls-replication or \
                 tls-auth-clients are enabled!"
                    .to_owned(),
            ));
        }
        let versions = ciphers::protocols(config.tls_protocols.as_deref())?;
        let mut provider = super::provider();
        ciphers::restrict(&mut provider, config.tls_ciphers.as_deref(), config.tls_ciphersuites.as_deref())?;
        let provider = Arc::new(provider);
        let identity = files::identity(certificate, key, config.tls_key_file_pass.as_deref(), &provider)?;
        let authorities = Arc::new(Authorities::new(files::authorities(ca_file, ca_folder)?, &provider));
        check_dh_params(config.tls_dh_params_file.as_deref())?;
        let client_identity = match (&config.tls_client_cert_file, &config.tls_client_key_file) {
            (Some(certificate), Some(key)) => {
                files::identity(certificate, key, config.tls_client_key_file_pass.as_deref(), &provider)?
            }
            _ => Arc::clone(&identity),
        };
        let client = client::config(&provider, &versions, Some(Arc::clone(&authorities)), Some(client_identity))?;
        let asking = |is_mandatory| -> Arc<dyn ClientCertVerifier> {
            Arc::new(ClientVerifier::new(Arc::clone(&authorities), is_mandatory, &provider))
        };
        let server = |verifier| server_config(config, &provider, &versions, verifier, &identity);
        Ok(Settings {
            server: [server(Arc::new(NoClientAuth))?, server(asking(false))?, server(asking(true))?],
            client: Client::with_config(client),
        })
    }

    /// Begins a session on a connection that a client has made.
    ///
    /// # Errors
    /// When rustls cannot.
    pub fn accept(&self, stream: TcpStream, auth: TlsAuthClients) -> std::io::Result<Session> {
        let index = match auth {
            TlsAuthClients::No => 0,
            TlsAuthClients::Optional => 1,
            TlsAuthClients::Yes => 2,
        };
        Session::accept(stream, Arc::clone(&self.server[index]))
    }

    /// The settings for connections to other servers.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The same for sessions that don't wait.
    pub fn client_config(&self) -> Arc<ClientConfig> {
        Arc::clone(self.client.config())
    }
}

fn server_config(
    config: &Config,
    provider: &Arc<CryptoProvider>,
    versions: &[&'static SupportedProtocolVersion],
    verifier: Arc<dyn ClientCertVerifier>,
    identity: &Arc<SingleCertAndKey>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let mut made = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(versions)
        .map_err(|error| TlsError(error.to_string()))?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::clone(identity) as _);
    made.ignore_client_order = config.tls_prefer_server_ciphers;
    if config.tls_session_caching {
        resumption::enable(&mut made, config.tls_session_cache_timeout, config.tls_session_cache_size as usize);
    } else {
        resumption::disable(&mut made);
    }
    Ok(Arc::new(made))
}

/// Parameters of Diffie-Hellman are of no use, but a wrong file is a mistake all the same.
fn check_dh_params(file: Option<&str>) -> Result<(), TlsError> {
    let Some(file) = file else { return Ok(()) };
    let text = std::fs::read(file).map_err(|error| TlsError(format!("Failed to load {file}: {error}")))?;
    if !String::from_utf8_lossy(&text).contains("DH PARAMETERS-----") {
        return Err(TlsError(format!("{file}: failed to read DH params.")));
    }
    log::info!("tls-dh-params-file is not used: keys are agreed upon by elliptic curves.");
    Ok(())
}
