//! TLS for a client that waits: the command line, MIGRATE.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{IpAddr, ServerName};
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, ClientConnection, StreamOwned, SupportedProtocolVersion};

use super::verify::{Authorities, ServerVerifier};
use super::{TlsError, ciphers, files};

/// A connection that reads and writes through TLS, and waits for it.
pub type ClientStream = StreamOwned<ClientConnection, TcpStream>;

/// What a client wants, in the words of `redis-cli`.
#[derive(Debug, Clone, Default)]
pub struct ClientOptions {
    /// `--cacert`: a file with the certificates of trusted authorities.
    pub ca_file: Option<String>,
    /// `--cacertdir`: a folder with such files. Without either the system's authorities are trusted.
    pub ca_folder: Option<String>,
    /// `--insecure`: trust everybody.
    pub insecure: bool,
    /// `--cert`: the certificate to show.
    pub certificate: Option<String>,
    /// `--key`: its private key.
    pub key: Option<String>,
    /// `--sni`: the name to ask the server for.
    pub server_name: Option<String>,
    /// `--tls-ciphers`: ciphers of TLS 1.2, as OpenSSL writes them.
    pub ciphers: Option<String>,
    /// `--tls-ciphersuites`: ciphers of TLS 1.3.
    pub ciphersuites: Option<String>,
}

/// A client's side of TLS, ready for connections.
#[derive(Debug, Clone)]
pub struct Client {
    config: Arc<ClientConfig>,
    server_name: Option<ServerName<'static>>,
}

impl Client {
    /// Reads the files.
    ///
    /// # Errors
    /// When one cannot be read or is of no use; the text says which.
    pub fn new(options: &ClientOptions) -> Result<Client, TlsError> {
        let mut provider = super::provider();
        ciphers::restrict(&mut provider, options.ciphers.as_deref(), options.ciphersuites.as_deref())?;
        let provider = Arc::new(provider);
        let named = files::authorities(options.ca_file.as_deref(), options.ca_folder.as_deref())?;
        let is_named = options.ca_file.is_some() || options.ca_folder.is_some();
        let trusted = if is_named || options.insecure { named } else { files::system_authorities() };
        let authorities = (!options.insecure).then(|| Arc::new(Authorities::new(trusted, &provider)));
        let identity = match (&options.certificate, &options.key) {
            (Some(certificate), Some(key)) => Some(files::identity(certificate, key, None, &provider)?),
            (None, None) => None,
            _ => return Err(TlsError("a certificate and its key are needed together".to_owned())),
        };
        let mut config = config(&provider, &ciphers::protocols(None)?, authorities, identity)?;
        config.enable_sni = options.server_name.is_some();
        let server_name = match options.server_name.clone().map(ServerName::try_from) {
            Some(Err(_)) => return Err(TlsError("the server's name is not valid".to_owned())),
            name => name.and_then(Result::ok),
        };
        Ok(Client { config: Arc::new(config), server_name })
    }

    /// A client of other servers, with what the server's own configuration says.
    pub(super) fn with_config(config: ClientConfig) -> Client {
        Client { config: Arc::new(config), server_name: None }
    }

    /// The settings, for sessions that don't wait.
    pub(super) fn config(&self) -> &Arc<ClientConfig> {
        &self.config
    }

    /// Shakes hands over a connected socket, within the socket's own timeouts.
    ///
    /// # Errors
    /// Those of the socket, and `InvalidData` when the server is not trusted or does not speak TLS.
    pub fn connect(&self, mut socket: TcpStream) -> io::Result<ClientStream> {
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None => address_as_name(socket.peer_addr()?.ip()),
        };
        let mut connection = ClientConnection::new(Arc::clone(&self.config), name).map_err(io::Error::other)?;
        while connection.is_handshaking() {
            connection.complete_io(&mut socket)?;
        }
        Ok(StreamOwned::new(connection, socket))
    }
}

/// rustls keeps sessions under the name of the server.
pub(super) fn address_as_name(address: std::net::IpAddr) -> ServerName<'static> {
    ServerName::IpAddress(IpAddr::from(address))
}

/// A client's settings; without `authorities` everybody is trusted.
pub(super) fn config(
    provider: &Arc<CryptoProvider>,
    versions: &[&'static SupportedProtocolVersion],
    authorities: Option<Arc<Authorities>>,
    identity: Option<Arc<SingleCertAndKey>>,
) -> Result<ClientConfig, TlsError> {
    let verifier = Arc::new(ServerVerifier::new(authorities, provider));
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(versions)
        .map_err(|error| TlsError(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match identity {
        Some(identity) => builder.with_client_cert_resolver(identity),
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::in_memory_sessions(8);
    config.enable_sni = false;
    Ok(config)
}
