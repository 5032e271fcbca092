// Package kqueue is a model of the BSDs' kqueue, on Linux. internal/poller's file for those systems
// is compiled with it, in place of package syscall, and must pass the tests of the poller and of the
// engine. See model/kqueue/run. So the package has the names of package syscall that the file uses.
//
// The model has only what the poller needs: EVFILT_READ of sockets, with EV_CLEAR and NOTE_LOWAT,
// and a timer. It panics on all else. It says what kqueue(2) says, and what the kernels do where
// that says too little: sys/kern/kern_event.c and uipc_socket.c of FreeBSD, NetBSD, OpenBSD and
// DragonFly BSD, and XNU's under bsd. Where these differ, the model does what promises least:
//
//   - EV_ADD of a knote that exists fails. In the kernels, some would keep its NOTE_LOWAT.
//   - A change that is neither EV_ADD nor EV_DELETE panics. In the kernels, some would ignore its
//     NOTE_LOWAT.
//   - Nothing but the timer wakes a call that waits in a kqueue that is closed.
//
// The model cannot show what the kernels do. It shows that the poller works if they do this.
package kqueue
