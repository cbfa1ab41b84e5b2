use super::*;
use http::{HeaderValue, header};

/// Takes a few bytes at a time, and sometimes none.
#[derive(Debug, Default)]
struct Slow {
    written: Vec<u8>,
    polls: usize,
}

impl Write for Slow {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.polls += 1;
        if self.polls.is_multiple_of(3) {
            return Poll::Pending;
        }
        let written = bytes.len().min(7);
        self.written.extend_from_slice(&bytes[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

struct Bench {
    interim: Interim,
    stream: Telling<Slow>,
}

impl Bench {
    fn new() -> Self {
        let interim = Interim::default();
        Self { stream: Telling::new(Slow::default(), interim.clone()), interim }
    }

    fn tell(&self, status: u16) {
        self.interim.tell(StatusCode::from_u16(status).unwrap(), &HeaderMap::new());
    }

    fn write(&mut self, mut text: &str) {
        while !text.is_empty() {
            let mut cx = Context::from_waker(Waker::noop());
            if let Poll::Ready(written) = Pin::new(&mut self.stream).poll_write(&mut cx, text.as_bytes()) {
                text = &text[written.unwrap()..];
            }
        }
    }

    fn flush(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        while Pin::new(&mut self.stream).poll_flush(&mut cx).is_pending() {}
    }

    fn written(&self) -> &str {
        std::str::from_utf8(&self.stream.inner.written).unwrap()
    }
}

#[test]
fn it_is_sent_before_the_response_and_not_into_one() {
    let mut bench = Bench::new();
    bench.tell(102);
    bench.flush();
    bench.tell(103);
    bench.write("<one");
    // Of nobody any more: a response has begun and is not yet out.
    bench.tell(102);
    bench.write(">");
    bench.flush();
    bench.tell(103);
    bench.flush();
    bench.write("<two>");
    let (processing, hints) = ("HTTP/1.1 102 Processing\r\n\r\n", "HTTP/1.1 103 Early Hints\r\n\r\n");
    assert_eq!(bench.written(), format!("{processing}{hints}<one>{hints}<two>"));
}

struct Task;

impl std::task::Wake for Task {
    fn wake(self: Arc<Self>) {}
}

impl Read for Slow {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

/// A tunnel would keep the ended task of the connection, with all the memory it had.
#[test]
fn a_task_is_let_go_of_when_another_reads() {
    let mut bench = Bench::new();
    let tasks = [Arc::new(Task), Arc::new(Task)];
    let [connection, tunnel] = tasks.clone().map(Waker::from);
    let mut held = |waker: &Waker, flush: bool| {
        let (mut cx, mut room) = (Context::from_waker(waker), [0; 8]);
        let mut buffer = hyper::rt::ReadBuf::new(&mut room);
        let mut stream = Pin::new(&mut bench.stream);
        assert!(stream.as_mut().poll_read(&mut cx, buffer.unfilled()).is_pending());
        if flush {
            assert!(stream.poll_flush(&mut cx).is_ready());
        }
        // Less the test's own, and the wakers'.
        tasks.each_ref().map(|task| Arc::strong_count(task) - 2)
    };
    assert_eq!(held(&connection, true), [2, 0]);
    assert_eq!(held(&connection, true), [2, 0]);
    assert_eq!(held(&tunnel, false), [0, 0]);
    assert_eq!(held(&tunnel, true), [0, 2]);
}

#[test]
fn the_next_request_hears_nothing_of_the_last() {
    let mut bench = Bench::new();
    bench.tell(103);
    bench.interim.begin();
    bench.flush();
    bench.write("<two>");
    assert_eq!(bench.written(), "<two>");
}

#[test]
fn nothing_is_told_of_a_request_that_has_its_answer() {
    let mut bench = Bench::new();
    let first = bench.interim.begin();
    first.tell(StatusCode::PROCESSING, &HeaderMap::new());
    bench.interim.end();
    first.tell(StatusCode::EARLY_HINTS, &HeaderMap::new());
    bench.write("<one>");
    bench.flush();
    first.tell(StatusCode::EARLY_HINTS, &HeaderMap::new());
    bench.flush();
    bench.interim.begin();
    first.tell(StatusCode::EARLY_HINTS, &HeaderMap::new());
    bench.write("<two>");
    assert_eq!(bench.written(), "HTTP/1.1 102 Processing\r\n\r\n<one><two>");
}

/// Who tells has looked whose turn it is, and goes on when the answer is on its way.
#[test]
fn what_comes_too_late_is_not_sent_between_the_pieces_of_a_response() {
    let (processing, hints) = ("HTTP/1.1 102 Processing\r\n\r\n", "HTTP/1.1 103 Early Hints\r\n\r\n");
    // `|` flushes; at `!` goes on who has looked whose turn it was before the answer came.
    for (script, sent) in
        [("!<one>|", processing), ("<o!ne>|", ""), ("<o!|ne>|", ""), ("<o|!ne>|", ""), ("<o|!|ne>|", ""), ("<one>|!|", "")]
    {
        let mut bench = Bench::new();
        let first = bench.interim.begin();
        bench.flush();
        bench.interim.end();
        for step in script.chars() {
            match step {
                '|' => bench.flush(),
                '!' => first.leave(&mut first.shared.waiting(), processing),
                piece => bench.write(&piece.to_string()),
            }
        }
        bench.interim.begin().tell(StatusCode::EARLY_HINTS, &HeaderMap::new());
        bench.flush();
        assert_eq!(bench.written(), format!("{sent}<one>{hints}"), "{script}");
    }
}

#[test]
fn fields_are_sent_and_a_flood_of_them_is_not() {
    let mut bench = Bench::new();
    let headers = HeaderMap::from_iter([(header::LINK, HeaderValue::from_static("</x>; rel=preload"))]);
    bench.interim.tell(StatusCode::EARLY_HINTS, &headers);
    let long = HeaderMap::from_iter([(header::LINK, HeaderValue::from_str(&"x".repeat(LIMIT)).unwrap())]);
    bench.interim.tell(StatusCode::EARLY_HINTS, &long);
    bench.flush();
    assert_eq!(bench.written(), "HTTP/1.1 103 Early Hints\r\nlink: </x>; rel=preload\r\n\r\n");
}
