// SPDX-License-Identifier: Apache-2.0
// A process with connections, one action an argument, one output line each. TEXT knows \r \n \0 \\ and \xHH.
//   uid=N comm=NAME userns         takes on an identity
//   dumpable                       can be traced and dumped, as a process that was started with its user
//   child pass                     the rest runs in a child; with pass it gets the socket by SCM_RIGHTS
//   socket=KIND                    for the next connect: tcp (default), async (connect() does not wait), tcp6, mptcp, fastopen (TCP_FASTOPEN_CONNECT)
//   connect=PORT[@ADDRESS]         a new connection, which the next actions use; use=N goes back to the N-th
//   again=PORT again=none          connect() on the connection there is; with AF_UNSPEC
//   uconnect=PORT                  the same by a worker of io_uring
//   nonblock timeout=MS            O_NONBLOCK; SO_RCVTIMEO and SO_SNDTIMEO
//   send=TEXT bytes=TEXT           one send(); a send() for every byte
//   fill=N chunks=N,SIZE           sends N letters 'x'; N chunks of SIZE letters and the last chunk
//   head=N                         a GET whose head has N bytes
//   open=TEXT zerocopy=TEXT        sendto(MSG_FASTOPEN) on a new socket; send(MSG_ZEROCOPY)
//   uring=KIND:TEXT                the same by io_uring: plain, async, sqpoll or zc
//   sendfile=N splice=N            N letters 'x' from a file; through a pipe
//   recv=N peek=N waitall=N        one recv(): the count and, of few, the bytes
//   answer                         one HTTP answer: status and body, or its length when it is long
//   drain                          to the end: the count
//   spliceout=N                    N bytes into a pipe
//   reader                         a thread that receives; joined by join
//   writers=N                      N threads that ask /thread/<i> on the one socket, one after the other's answer
//   poll=MS await=in|out|pri       what is ready; waits for it, at most 20 s
//   edge=TEXT                      sends byte by byte and receives by edge-triggered epoll
//   error                          SO_ERROR
//   shut=wr|rd|rdwr close reset    shutdown(); close(); close with SO_LINGER 0
//   setopt=LEVEL,NAME,HEX getopt=LEVEL,NAME,SIZE
//   state                          getsockopt(SOL_RIPTIDES)
//   say=PATH wait=PATH             writes into a FIFO; reads from it
//   scan=TEXT                      how often this process's memory holds the text that reads backwards so
#include "wire.h"
#include <signal.h>

char buffer[1 << 20];

static int (*const kinds[])(char *argument) = {
    act_on_connection, act_by_sending, act_by_uring, act_by_receiving, act_on_readiness, act_on_options, act_on_process,
};

static void act(char *argument)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
        if (kinds[i](argument))
            return;
    printf("unknown %s\n", argument);
    exit(2);
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    /* What was done is shown even when the rest hangs and is ended. */
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 1; i < argc; i++)
        act(argv[i]);
    fflush(stdout);
    return 0;
}
