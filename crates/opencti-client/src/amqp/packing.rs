//! Whether the kernel sends what is written at once, or gathers it into full packets.
//!
//! lapin writes each message by itself, and switches the gathering off (`TCP_NODELAY`), so that each
//! travels in packets of its own: much of what sending costs, here and at the broker. While many
//! messages are under way and more follow, the little that gathering holds back is missed by nobody.

use std::net::TcpStream;

/// A connection's socket, beside whoever writes to it.
#[derive(Debug)]
pub(super) struct Packing {
    socket: TcpStream,
    gathers: bool,
}

impl Packing {
    /// Of a socket that sends at once.
    pub(super) fn new(socket: TcpStream) -> Self {
        Self {
            socket,
            gathers: false,
        }
    }

    /// From now on gathers, or sends at once, and what was held back as well.
    pub(super) fn gather(&mut self, gathers: bool) {
        // A socket that takes no settings any more is a broken connection, which others find out.
        if gathers != self.gathers && self.socket.set_nodelay(!gathers).is_ok() {
            self.gathers = gathers;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_socket_gathers_while_it_is_told_to() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        socket.set_nodelay(true).unwrap();
        let mut packing = Packing::new(socket.try_clone().unwrap());
        for (gathers, at_once) in [(false, true), (true, false), (true, false), (false, true)] {
            packing.gather(gathers);
            assert_eq!(socket.nodelay().unwrap(), at_once);
        }
    }
}
