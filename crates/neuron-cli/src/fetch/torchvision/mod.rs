//! torchvision's own files: a table says where they are, how they are known, and their preprocessing.

mod table;

pub(super) use self::table::{Set, has, sets};

use super::download::{Connection, Proof, Server};
use super::environment::{self, Environment};
use super::offer::Offer;

/// The server that the table's addresses name.
const ENDPOINT: &str = "https://download.pytorch.org";

/// The address of a set's file, at the server that the environment names.
pub(super) fn url(set: &Set, environment: &Environment) -> String {
    format!("{}{}", endpoint(environment), set.path())
}

/// What the table says of a set; nothing is asked of the network.
pub(super) fn offer<'e>(set: &Set, environment: &'e Environment) -> Offer<'e> {
    let connection = Connection::new(Server {
        endpoint: endpoint(environment),
        token: None,
        variable: environment::TORCHVISION,
        if_refused: "it does not exist there, or not for everybody",
    });
    Offer {
        connection,
        url: url(set, environment),
        otherwise: None,
        proof: Proof::Begins(set.hash().to_owned()),
        metadata: set.metadata(),
        origin: set.url.to_owned(),
    }
}

fn endpoint(environment: &Environment) -> &str {
    environment.torchvision.as_deref().unwrap_or(ENDPOINT)
}
