//! What a guest's owner and the agent inside say to each other, over a connection per command.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

/// Where the agent listens, at the address of the management card.
pub(crate) const PORT: u16 = 700;

/// What the owner asks for: one line of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Run a command; as many bytes of standard input follow the line.
    Run { command: Vec<String>, input: usize },
    /// Run the guest only as long as this connection.
    Leash,
}

/// What the agent answers: frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is begun; the command's pid inside, or 0.
    Begun(u32),
    /// On standard output.
    Output(Vec<u8>),
    /// On standard error.
    Error(Vec<u8>),
    /// The command's raw wait status.
    Ended(i32),
    /// It could not be started.
    Failed(String),
}

const HEAD: usize = 5;

impl Answer {
    /// Writes a frame: kind, length, content.
    pub(crate) fn send(&self, to: &mut impl Write) -> io::Result<()> {
        let (kind, content) = match self {
            Self::Begun(pid) => (0, pid.to_be_bytes().to_vec()),
            Self::Output(bytes) => (1, bytes.clone()),
            Self::Error(bytes) => (2, bytes.clone()),
            Self::Ended(status) => (3, status.to_be_bytes().to_vec()),
            Self::Failed(reason) => (4, reason.clone().into_bytes()),
        };
        let length = u32::try_from(content.len()).map_err(io::Error::other)?;
        let mut frame = vec![kind];
        frame.extend(length.to_be_bytes());
        frame.extend(content);
        to.write_all(&frame)
    }

    /// Takes a whole frame from the front of what was read, if there is one.
    pub(crate) fn take(read: &mut Vec<u8>) -> io::Result<Option<Self>> {
        let Some((&[kind, a, b, c, d], rest)) = read.split_first_chunk::<HEAD>() else { return Ok(None) };
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).map_err(io::Error::other)?;
        let Some(content) = rest.get(..length) else { return Ok(None) };
        let number = || content.try_into().map_err(io::Error::other);
        let answer = match kind {
            0 => Self::Begun(u32::from_be_bytes(number()?)),
            1 => Self::Output(content.to_vec()),
            2 => Self::Error(content.to_vec()),
            3 => Self::Ended(i32::from_be_bytes(number()?)),
            4 => Self::Failed(String::from_utf8_lossy(content).into_owned()),
            other => return Err(io::Error::other(format!("a frame of kind {other}"))),
        };
        read.drain(..HEAD + length);
        Ok(Some(answer))
    }
}

/// Writes a request.
pub(crate) fn ask(to: &mut impl Write, request: &Request) -> io::Result<()> {
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    to.write_all(&line)
}

/// Reads a request and nothing of what follows it.
pub(crate) fn hear(from: &mut impl Read) -> io::Result<Request> {
    let mut line = Vec::new();
    let mut byte = [0];
    while line.last() != Some(&b'\n') {
        from.read_exact(&mut byte)?;
        line.extend(byte);
    }
    Ok(serde_json::from_slice(&line)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_out_as_they_went_in_however_they_are_cut() {
        let all = [
            Answer::Begun(7),
            Answer::Output(b"some".to_vec()),
            Answer::Error(Vec::new()),
            Answer::Failed("no such file".into()),
            Answer::Ended(-1),
        ];
        let mut wire = Vec::new();
        all.iter().for_each(|answer| answer.send(&mut wire).unwrap());
        let (mut read, mut seen) = (Vec::new(), Vec::new());
        for byte in wire {
            read.push(byte);
            seen.extend(Answer::take(&mut read).unwrap());
        }
        assert_eq!(seen, all);
        assert!(read.is_empty());
    }

    #[test]
    fn a_request_is_read_without_its_input() {
        let request = Request::Run { command: vec!["cat".into(), "a\nb".into()], input: 3 };
        let mut wire = Vec::new();
        ask(&mut wire, &request).unwrap();
        wire.extend(b"abc");
        let mut wire = wire.as_slice();
        assert_eq!(hear(&mut wire).unwrap(), request);
        assert_eq!(wire, b"abc");
    }
}
