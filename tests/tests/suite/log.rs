//! A server whose lines nobody reads.

use clavitor_tests::binary::command;
use clavitor_tests::raw::exchange_within;
use clavitor_tests::wait::{eventually, seconds};
use clavitor_tests::{Edition, Scratch, ports, process};
use rustix::process::Signal;
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ExitStatus, Stdio};
use std::time::Instant;

/// Has each of so many clients refused, which is a line each; whether all are answered in time.
fn refuse(address: SocketAddr, clients: u32) -> bool {
    (0..clients).all(|client| {
        let request = format!(
            "GET /v1/node HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.{}.{}\r\n\
             Connection: close\r\n\r\n",
            client / 250,
            client % 250
        );
        let answer = exchange_within(address, request.as_bytes(), seconds(5));
        answer.is_some_and(|answer| answer.status() == 401)
    })
}

#[test]
fn a_server_whose_lines_nobody_reads_goes_on_and_ends_and_says_what_is_missing() {
    for edition in Edition::ALL {
        let (scratch, address) = (Scratch::new("log"), ports::free_address());
        let (mut unread, pipe) = std::io::pipe().expect("a pipe");
        let bytes =
            rustix::pipe::fcntl_setpipe_size(&pipe, 16 * 1024).expect("its size can be set");
        let server = command(edition)
            .current_dir(scratch.path())
            .args(["serve", "--listen", &address.to_string()])
            .args(["--trusted-proxy", "127.0.0.1"])
            .stderr(Stdio::from(pipe))
            .spawn()
            .expect("it starts");
        let mut server = Running(server);
        eventually("it listens", seconds(10), || TcpStream::connect(address).is_ok());
        assert!(refuse(address, 400), "it stands still");

        // Whoever comes back hears how much there was.
        let read = unread.read(&mut vec![0; bytes]).expect("there are lines");
        assert!(read > bytes / 2, "{read} of {bytes}");
        assert!(refuse(address, 401), "it stands still");
        let started = Instant::now();
        process::signal(server.0.id(), Signal::TERM);
        let status = eventually_ended(&mut server.0);
        assert!(status.success() && started.elapsed() < seconds(2), "{:?}", started.elapsed());
        let mut rest = String::new();
        unread.read_to_string(&mut rest).expect("lines are text");
        let missing =
            rest.lines().find(|line| line.ends_with("lines are missing here: nobody read them"));
        assert!(missing.is_some(), "{rest}");
        assert!(rest.lines().all(|line| !line.is_empty()), "{rest}");
    }
}

/// A server that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended, unless the test failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn eventually_ended(server: &mut Child) -> ExitStatus {
    let mut status = None;
    eventually("it ends", seconds(7), || {
        status = server.try_wait().expect("a child can be waited for");
        status.is_some()
    });
    status.expect("the loop above ended")
}
