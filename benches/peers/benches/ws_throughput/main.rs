//! Messages echoed a second, and memory an idle connection takes: ours, axum's and four others, each in a process of its own.
//!
//! All servers run on one thread, pinned to the first core; the loader, the same for all, on the second. They take turns, round by
//! round, so that whatever else the machine does hits all alike, and the median of a server's rounds is told, with its ratio to
//! axum's and to the fastest other's.
//!
//!     cargo bench --manifest-path benches/peers/Cargo.toml --bench ws_throughput             # every case
//!     cargo bench --manifest-path benches/peers/Cargo.toml --bench ws_throughput -- memory   # one: 64x64, 16384x64, 64x1, broadcast, memory

#![expect(clippy::disallowed_methods, reason = "what is measured is the time")]

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::SocketAddr,
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

mod servers;

const ROUNDS: usize = 9;
const ROUND: Duration = Duration::from_millis(700);
const OURS: &str = "donjon";
const YARDSTICK: &str = "axum";
const IDLE: usize = 2_000;
const MEMBERS: usize = 1_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [flag, name] = &arguments[..]
        && flag == "--serve"
    {
        return servers::serve(name);
    }
    let wanted = |case: &str| arguments.is_empty() || arguments.iter().any(|argument| argument == case);
    pin(std::process::id(), 1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for (bytes, connections) in [(64, 64), (16 * 1024, 64), (64, 1)] {
        if wanted(&format!("{bytes}x{connections}")) {
            runtime.block_on(throughput(bytes, connections));
        }
    }
    if wanted("broadcast") {
        runtime.block_on(broadcast());
    }
    if wanted("memory") {
        runtime.block_on(memory());
    }
}

struct Server {
    name: &'static str,
    process: Child,
    answers: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Server {
    fn start(name: &'static str) -> Self {
        let program = std::env::current_exe().expect("a path");
        let mut server = Command::new(program);
        let server = server.args(["--serve", name]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = server.spawn().expect("the server starts");
        let mut address = String::new();
        let mut answers = BufReader::new(process.stdout.take().expect("piped"));
        answers.read_line(&mut address).expect("its address");
        pin(process.id(), 0);
        Self { name, address: address.trim().parse().expect("an address"), process, answers }
    }

    /// Its resident memory in bytes.
    fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("procfs");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a resident size");
        line.split_whitespace().nth(1).expect("a number").parse::<u64>().expect("a number") * 1024
    }

    /// The seconds that it has run, in its own code and in all, in the kernel's steps of 10 ms.
    fn processor_time(&self) -> [f64; 2] {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).expect("procfs");
        let mut fields = stat.rsplit(')').next().expect("what follows the name").split_whitespace().skip(11);
        let [user, system] = [(); 2].map(|()| fields.next().expect("a field").parse::<f64>().expect("a number") / 100.0);
        [user, user + system]
    }

    /// The seconds that those who spoke were held.
    fn held(&mut self) -> f64 {
        let (ask, answers) = (self.process.stdin.as_mut().expect("piped"), &mut self.answers);
        ask.write_all(b"\n").expect("asked");
        let mut answer = String::new();
        answers.read_line(&mut answer).expect("answered");
        answer.trim().parse::<f64>().expect("a number") / 1e9
    }

    fn spent(&mut self) -> [f64; 3] {
        let [user, all] = self.processor_time();
        [all, user, self.held()]
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn pin(process: u32, core: u32) {
    let done = Command::new("taskset").args(["-a", "-c", "-p", &core.to_string(), &process.to_string()]).output();
    assert!(done.is_ok_and(|output| output.status.success()), "taskset cannot pin: the figures would mean nothing");
}

async fn throughput(bytes: usize, connections: usize) {
    let mut rates: Vec<(Server, Vec<f64>)> = servers::NAMES.into_iter().map(|name| (Server::start(name), Vec::new())).collect();
    for round in 0..ROUNDS + 1 {
        for (server, rates) in &mut rates {
            let rate = load(server.address, bytes, connections).await;
            // The first warms up.
            if round > 0 {
                rates.push(rate);
            }
        }
    }
    let medians: Vec<(&str, f64)> = rates.iter_mut().map(|(server, rates)| (server.name, median(rates))).collect();
    let of = |name: &str| medians.iter().find(|(other, _)| *other == name).map_or(f64::NAN, |(_, rate)| *rate);
    let fastest = medians.iter().filter(|(name, _)| !name.starts_with(OURS)).map(|(_, rate)| *rate).fold(0.0, f64::max);
    for (name, rate) in &medians {
        println!(
            "ws_throughput {bytes}x{connections} {name} {rate:.0} messages/s, {:.2} of {YARDSTICK}'s, {:.2} of the fastest other's",
            rate / of(YARDSTICK),
            rate / fastest
        );
    }
}

/// Messages a second that come back over so many connections, one in flight on each.
async fn load(address: SocketAddr, bytes: usize, connections: usize) -> f64 {
    let end = Instant::now() + ROUND;
    let started = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..connections {
        tasks.push(tokio::spawn(async move {
            let mut connection = open(address).await;
            let message = frame(bytes);
            let mut answer = vec![0; head(bytes) + bytes];
            let mut count = 0_u64;
            while Instant::now() < end {
                connection.write_all(&message).await.expect("sent");
                connection.read_exact(&mut answer).await.expect("echoed");
                count += 1;
            }
            assert_eq!(answer[head(bytes)..], vec![b'x'; bytes], "the echo is what was sent");
            count
        }));
    }
    let mut total = 0;
    for task in tasks {
        total += task.await.expect("the loader lives");
    }
    total as f64 / started.elapsed().as_secs_f64()
}

/// What one message of 256 bytes to a thousand members costs the server for each: processor time, since the loader, which reads them
/// all, takes longer; that of its own code alone, since most of it is the kernel's, which writes to one socket after the other; and how
/// long the one who speaks is held.
async fn broadcast() {
    const TURNS: usize = 5;
    let mut all = servers::ROOMS.map(|name| (name, [const { Vec::new() }; 3]));
    for _ in 0..TURNS {
        for (name, costs) in &mut all {
            for (costs, cost) in costs.iter_mut().zip(one_broadcast(name).await) {
                costs.push(cost);
            }
        }
    }
    for (name, costs) in &mut all {
        let [processor, own, held] = costs.each_mut().map(|costs| median(costs));
        println!(
            "ws_broadcast 256 bytes to {MEMBERS} members {name} {processor:.0} ns of processor for each, {own:.0} ns of them outside the \
             kernel; speaker held {held:.0} ns"
        );
    }
}

/// In nanoseconds for each member. Server and members are new every time, so that none is idle for long.
async fn one_broadcast(name: &'static str) -> [f64; 3] {
    const ROUNDS: usize = 200;
    const WARMING: usize = 10;
    let mut server = Server::start(name);
    let mut members = Vec::new();
    for _ in 0..MEMBERS {
        members.push(open(server.address).await);
    }
    let (message, mut answer, mut before) = (frame(256), [0; 4 + 256], [0.0; 3]);
    for round in 0..WARMING + ROUNDS {
        if round == WARMING {
            before = server.spent();
        }
        members[0].write_all(&message).await.expect("sent");
        for member in &mut members {
            member.read_exact(&mut answer).await.expect("told");
        }
    }
    let mut each = server.spent();
    for (each, before) in each.iter_mut().zip(before) {
        *each = (*each - before) / ROUNDS as f64 / MEMBERS as f64 * 1e9;
    }
    each
}

async fn memory() {
    for name in servers::NAMES {
        let server = Server::start(name);
        // One connection of each is not idle memory but the program's.
        let first = open(server.address).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        let before = server.resident();
        let mut held = vec![first];
        for _ in 0..IDLE {
            let mut connection = open(server.address).await;
            // One message each, so that what is reserved at first use is in it.
            connection.write_all(&frame(64)).await.expect("sent");
            connection.read_exact(&mut [0; 66]).await.expect("echoed");
            held.push(connection);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        let each = server.resident().saturating_sub(before) as f64 / IDLE as f64 / 1024.0;
        println!("ws_memory {IDLE} idle {name} {each:.1} KiB each");
    }
}

async fn open(address: SocketAddr) -> TcpStream {
    let mut connection = TcpStream::connect(address).await.expect("connected");
    connection.set_nodelay(true).expect("a socket option");
    let request = format!(
        "GET / HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    connection.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(connection.read_u8().await.expect("answered"));
    }
    assert!(answer.starts_with(b"HTTP/1.1 101"), "upgraded");
    connection
}

/// A masked binary frame.
fn frame(bytes: usize) -> Vec<u8> {
    let key = [0x12, 0x34, 0x56, 0x78];
    let mut frame = vec![0x82];
    match bytes {
        0..=125 => frame.push(0x80 | bytes as u8),
        _ => {
            frame.push(0x80 | 126);
            frame.extend((bytes as u16).to_be_bytes());
        }
    }
    frame.extend(key);
    frame.extend(key.iter().cycle().take(bytes).map(|key| b'x' ^ key));
    frame
}

/// The length of the head of an unmasked frame.
fn head(bytes: usize) -> usize {
    if bytes > 125 { 4 } else { 2 }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
