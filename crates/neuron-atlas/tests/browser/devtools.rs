//! A browser driven over the DevTools protocol, through a pair of pipes: no port, no driver, no library.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Patience with a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// Flags that keep the browser to itself, and painting on a machine that has other things to do.
const FLAGS: [&str; 12] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-gpu-watchdog",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
    "--remote-debugging-pipe",
];

/// What a page says of itself when something never came: whether it is painted at all, and what of it is seen.
const STATE: &str = "new Promise((tell) => {
    let frames = 0;
    const count = () => { frames += 1; requestAnimationFrame(count); };
    requestAnimationFrame(count);
    const state = () => ({
        framesInASecond: frames,
        visibility: document.visibilityState,
        window: [innerWidth, innerHeight],
        scrolled: scrollY,
        height: document.body.scrollHeight,
        elements: document.getElementsByTagName('*').length,
    });
    setTimeout(() => tell(state()), 1000);
})";

/// A running browser with one tab.
pub(crate) struct Browser {
    process: Child,
    /// Requests, each with a zero byte at its end.
    requests: ChildStdin,
    answers: Receiver<Value>,
    events: Vec<Value>,
    session: Option<String>,
    last_id: u64,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts the program with an empty profile.
    pub(crate) fn start(program: &OsStr) -> Self {
        let profile = tempfile::tempdir().unwrap();
        // The browser reads requests from descriptor 3 and answers on 4; the shell puts our pipes there.
        let mut process = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null"])
            .arg(program)
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let requests = process.stdin.take().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            for message in output.split(0) {
                let Ok(message) = message else { return };
                if sender.send(serde_json::from_slice(&message).unwrap_or(Value::Null)).is_err() {
                    return;
                }
            }
        });
        let (events, session, last_id, _profile) = (Vec::new(), None, 0, profile);
        let mut browser = Self { process, requests, answers, events, session, last_id, _profile };
        browser.open_tab();
        browser
    }

    fn open_tab(&mut self) {
        let target = self.call("Target.createTarget", &json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = self.call("Target.attachToTarget", &attach);
        self.session = Some(attached["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Page", "Runtime", "Log", "Network"] {
            self.call(&format!("{domain}.enable"), &json!({}));
        }
        self.resize(1280, 900);
    }

    /// Calls a method; panics if the browser says that it failed.
    pub(crate) fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.try_call(method, parameters).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    fn try_call(&mut self, method: &str, parameters: &Value) -> Result<Value, Value> {
        self.last_id += 1;
        let mut request = json!({ "id": self.last_id, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            request["sessionId"] = json!(session);
        }
        self.requests.write_all(format!("{request}\0").as_bytes()).unwrap();
        let started = Instant::now();
        loop {
            let left = PATIENCE.saturating_sub(started.elapsed());
            let mut message = match self.answers.recv_timeout(left) {
                Ok(message) => message,
                Err(RecvTimeoutError::Timeout) => panic!("{method}: no answer"),
                Err(RecvTimeoutError::Disconnected) => panic!("{method}: the browser has gone"),
            };
            if message["id"] != json!(self.last_id) {
                self.events.push(message);
            } else if message["error"].is_null() {
                return Ok(message["result"].take());
            } else {
                return Err(message["error"].take());
            }
        }
    }

    /// Sets the size of the window, in CSS pixels.
    pub(crate) fn resize(&mut self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.call("Emulation.setDeviceMetricsOverride", &size);
    }

    /// Opens a file and waits until everything that is not lazy has loaded.
    pub(crate) fn open(&mut self, file: &Path, fragment: &str) {
        // A fragment alone would not load the page again.
        self.call("Page.navigate", &json!({ "url": "about:blank" }));
        let address = format!("file://{}{fragment}", file.display());
        let opened = self.call("Page.navigate", &json!({ "url": address }));
        assert!(opened["errorText"].is_null(), "{address}: {opened}");
        self.wait_for("location.protocol === 'file:' && document.readyState === 'complete'");
    }

    /// What an expression amounts to.
    pub(crate) fn evaluate(&mut self, expression: &str) -> Value {
        self.try_evaluate(expression).unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    fn try_evaluate(&mut self, expression: &str) -> Result<Value, Value> {
        let asked = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let mut answer = self.try_call("Runtime.evaluate", &asked)?;
        match answer.get("exceptionDetails") {
            Some(exception) => Err(exception.clone()),
            None => Ok(answer["result"]["value"].take()),
        }
    }

    /// Waits until an expression is true. While another page loads there may be nobody to ask.
    pub(crate) fn wait_for(&mut self, expression: &str) {
        let started = Instant::now();
        while self.try_evaluate(expression) != Ok(json!(true)) {
            if started.elapsed() >= PATIENCE {
                let place = self.try_evaluate("location.href");
                let state = self.try_evaluate(STATE);
                panic!("never true at {place:?}: {expression}; the page says {state:?}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Presses keys as a person does, one after the other; names of several letters are keys such as `Escape`.
    pub(crate) fn press(&mut self, keys: &[&str]) {
        for key in keys {
            let (code, text) = match *key {
                "Escape" => (27, ""),
                "Enter" => (13, "\r"),
                "ArrowLeft" => (37, ""),
                "ArrowRight" => (39, ""),
                "ArrowDown" => (40, ""),
                letter => (0, letter),
            };
            let kind = if text.is_empty() { "rawKeyDown" } else { "keyDown" };
            let down = json!({ "type": kind, "key": key, "text": text, "windowsVirtualKeyCode": code });
            self.call("Input.dispatchKeyEvent", &down);
            self.call(
                "Input.dispatchKeyEvent",
                &json!({ "type": "keyUp", "key": key, "windowsVirtualKeyCode": code }),
            );
        }
    }

    /// What the browser has complained of so far, and addresses outside of the file system.
    pub(crate) fn complaints(&mut self) -> Vec<String> {
        // Whatever was said before this answer has arrived with it.
        self.evaluate("0");
        let complaint = |event: &Value| {
            let parameters = &event["params"];
            let bad = match event["method"].as_str()? {
                "Runtime.exceptionThrown" => true,
                "Runtime.consoleAPICalled" => {
                    matches!(parameters["type"].as_str(), Some("error" | "warning"))
                }
                "Log.entryAdded" => {
                    matches!(parameters["entry"]["level"].as_str(), Some("error" | "warning"))
                }
                "Network.requestWillBeSent" => {
                    let address = parameters["request"]["url"].as_str().unwrap_or_default();
                    !address.starts_with("file://") && address != "about:blank"
                }
                _ => false,
            };
            bad.then(|| event.to_string())
        };
        self.events.iter().filter_map(complaint).collect()
    }

    /// Asks the browser to end, so that it takes its helpers with it.
    fn try_close(&mut self) -> std::io::Result<()> {
        self.requests.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0")?;
        let started = Instant::now();
        while self.process.try_wait()?.is_none() && started.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may be gone already, which is all that is wanted.
        let _ = self.try_close();
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
