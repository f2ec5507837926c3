//! A server of HTTP on this machine.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, BodyStream, Full, StreamBody};
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

use crate::faults::{Fault, Faults};

/// What is sent.
pub(crate) type Sent = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;
type Answer = Pin<Box<dyn Future<Output = Response<Sent>> + Send>>;
pub(crate) type Handler = Arc<dyn Fn(Request<Incoming>) -> Answer + Send + Sync>;

/// A server; it ends when it is dropped.
#[derive(Debug)]
pub struct Server {
    place: SocketAddr,
    faults: Arc<Faults>,
    runtime: Option<Runtime>,
}

impl Server {
    pub(crate) fn start(handler: Handler) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let place = listener.local_addr().expect("a bound port");
        let faults = Arc::new(Faults::default());
        let shared = Arc::clone(&faults);
        runtime.spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (handler, faults) = (Arc::clone(&handler), Arc::clone(&shared));
                let service = service_fn(move |request| {
                    let (handler, faults) = (Arc::clone(&handler), Arc::clone(&faults));
                    async move { Ok::<_, Infallible>(answer(&handler, &faults, request).await) }
                });
                // A client that hangs up, or is cut off, is no error here.
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(connection), service));
            }
        });
        Self { place, faults, runtime: Some(runtime) }
    }

    /// Such as `http://127.0.0.1:8080`.
    pub fn address(&self) -> String {
        format!("http://{}", self.place)
    }

    /// What goes wrong.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.runtime.take().into_iter().for_each(Runtime::shutdown_background);
    }
}

async fn answer(handler: &Handler, faults: &Faults, request: Request<Incoming>) -> Response<Sent> {
    let line = format!("{} {}", request.method(), request.uri());
    match faults.of(&line) {
        None => handler(request).await,
        Some(Fault::Status(status)) => text(status, "as the test wants it"),
        Some(Fault::Slow(time)) => {
            tokio::time::sleep(time).await;
            handler(request).await
        }
        Some(Fault::Cut(bytes)) => {
            let end = stream::once(async { Err("cut off".into()) });
            handler(request).await.map(|body| first(body, bytes, end))
        }
        Some(Fault::Stall(time)) => {
            let end = stream::once(async move {
                tokio::time::sleep(time).await;
                Err("too late".into())
            });
            handler(request).await.map(|body| first(body, 1000, end))
        }
    }
}

/// The first bytes of a body, and then what `end` brings.
fn first(
    body: Sent,
    bytes: usize,
    end: impl stream::Stream<Item = Result<Frame<Bytes>, Box<dyn std::error::Error + Send + Sync>>>
    + Send
    + 'static,
) -> Sent {
    let mut left = bytes;
    let begin = BodyStream::new(body).filter_map(move |frame| {
        let part = frame.ok().and_then(|frame| frame.into_data().ok()).map(|data| {
            let part = data.slice(..data.len().min(left));
            left -= part.len();
            part
        });
        async move { part.filter(|part| !part.is_empty()).map(|part| Ok(Frame::data(part))) }
    });
    StreamBody::new(begin.chain(end)).boxed_unsync()
}

pub(crate) fn streamed<B>(body: B) -> Sent
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    body.map_err(Into::into).boxed_unsync()
}

pub(crate) fn text(status: u16, text: &str) -> Response<Sent> {
    bytes(status, text.to_owned().into())
}

pub(crate) fn bytes(status: u16, bytes: Bytes) -> Response<Sent> {
    let body = Full::new(bytes).map_err(|never| match never {}).boxed_unsync();
    Response::builder().status(status).body(body).expect("a status")
}
