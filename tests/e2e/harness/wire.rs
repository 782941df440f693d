//! The way from one operator to a server, which can be cut.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

/// What goes over it comes out at the server.
pub(crate) struct Wire {
    pub(crate) address: SocketAddr,
    switch: Arc<Switch>,
}

#[derive(Default)]
struct Switch {
    is_cut: Mutex<bool>,
    mended: Condvar,
}

impl Wire {
    pub(crate) fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let switch = Arc::new(Switch::default());
        let its = switch.clone();
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let switch = its.clone();
                std::thread::spawn(move || switch.join(near, server));
            }
        });
        Self { address, switch }
    }

    /// From now on nothing arrives and nothing is refused, as where packets are lost on the way.
    pub(crate) fn cut(&self) {
        *self.switch.state() = true;
    }

    /// What was sent meanwhile arrives.
    pub(crate) fn mend(&self) {
        *self.switch.state() = false;
        self.switch.mended.notify_all();
    }
}

impl Switch {
    fn state(&self) -> MutexGuard<'_, bool> {
        self.is_cut.lock().unwrap()
    }

    fn wait(&self) {
        drop(self.mended.wait_while(self.state(), |is_cut| *is_cut).unwrap());
    }

    fn join(self: Arc<Self>, near: TcpStream, server: SocketAddr) {
        self.wait();
        let Ok(far) = TcpStream::connect(server) else { return };
        let (Ok(near_again), Ok(far_again)) = (near.try_clone(), far.try_clone()) else { return };
        let back = self.clone();
        std::thread::spawn(move || back.carry(far_again, near_again));
        self.carry(near, far);
    }

    fn carry(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            self.wait();
            if to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        self.wait();
        let _ = to.shutdown(Shutdown::Write);
    }
}
