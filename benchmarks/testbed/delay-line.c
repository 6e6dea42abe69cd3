/*
 * A switch that keeps every frame for a while: the network test bed's round trip, where the kernel has no netem.
 *
 *   delay-line DELAY_US INTERFACE...
 *
 * It joins the interfaces as a bridge would, through packet sockets; the last byte of a MAC address is the number of
 * the interface (1 for the first) behind which it is. Every frame leaves DELAY_US after it arrived. The delay is the
 * same for all, so one queue in order of arrival is in order of departure too. A frame's checksum may still be to be
 * done (veth leaves it so): the virtio header in front of each frame says it, and is handed on.
 *
 * Prints "ready", and at the end of standard input how many frames it had no room for, and ends.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
  MAX_PORTS = 250,
  /* 200 Mbit/s for 75 ms are 1,240 full frames; this is room for 25 times as much. */
  SLOTS = 32768,
  FRAME = 1600,
  /* Frames taken from one port before the others get their turn, and before the queue is looked at. */
  BURST = 64,
  SOCKET_BUFFER = 8 << 20,
};

struct slot {
  uint64_t due_ns;
  uint16_t length;
  uint8_t port;
  uint8_t bytes[FRAME];
};

static struct slot *slots;
static uint32_t head, tail;
static uint64_t drops;
static struct pollfd ports[MAX_PORTS + 1];
static int port_count;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static uint64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static int open_port(const char *name) {
  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0);
  int on = 1, size = SOCKET_BUFFER;
  if (fd < 0) fail("packet socket");
  if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on)) fail("PACKET_VNET_HDR");
  if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on)) fail("PACKET_IGNORE_OUTGOING");
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size)) fail("SO_RCVBUFFORCE");
  /* Above what a shaped interface queues (100 ms), so that the shaper drops and not this socket. */
  if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size)) fail("SO_SNDBUFFORCE");
  struct sockaddr_ll at = {
      .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex(name)};
  if (at.sll_ifindex == 0) fail(name);
  if (bind(fd, (struct sockaddr *)&at, sizeof at)) fail(name);
  return fd;
}

static void take(int port, uint64_t delay_ns) {
  for (int i = 0; i < BURST; i++) {
    static uint8_t spare[FRAME];
    int full = head - tail == SLOTS;
    struct slot *slot = &slots[head % SLOTS];
    ssize_t length = recv(ports[port].fd, full ? spare : slot->bytes, FRAME, 0);
    /* An interface that is down says so once and then is silent. */
    if (length < 0) return;
    if (full) {
      drops++;
      continue;
    }
    slot->due_ns = now_ns() + delay_ns;
    slot->length = (uint16_t)length;
    slot->port = (uint8_t)port;
    head++;
  }
}

/* A frame that an interface does not take (its queue is full, or it is down) is lost, as on a wire. */
static void put(int port, const struct slot *slot) {
  if (send(ports[port].fd, slot->bytes, slot->length, 0) < 0 && errno == EINVAL) drops++;
}

static void deliver(const struct slot *slot) {
  const uint8_t *to = slot->bytes + sizeof(struct virtio_net_hdr);
  int port = to[5] - 1;
  if (slot->length < sizeof(struct virtio_net_hdr) + ETH_HLEN) return;
  if (!(to[0] & 1)) {
    if (port >= 0 && port < port_count && port != slot->port) put(port, slot);
    return;
  }
  for (int i = 0; i < port_count; i++)
    if (i != slot->port) put(i, slot);
}

int main(int argc, char **argv) {
  if (argc < 4 || argc > MAX_PORTS + 2) {
    fprintf(stderr, "usage: delay-line DELAY_US INTERFACE INTERFACE...\n");
    return 2;
  }
  uint64_t delay_ns = strtoull(argv[1], NULL, 10) * 1000u;
  slots = malloc(sizeof *slots * SLOTS);
  if (!slots) fail("memory");
  port_count = argc - 2;
  for (int i = 0; i < port_count; i++) ports[i] = (struct pollfd){open_port(argv[i + 2]), POLLIN, 0};
  ports[port_count] = (struct pollfd){STDIN_FILENO, POLLIN, 0};
  /* Ahead of the systems under test, which may keep every core busy: a late frame would be a longer round trip. */
  sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 1});
  puts("ready");
  fflush(stdout);
  while (!(ports[port_count].revents & (POLLIN | POLLHUP))) {
    uint64_t now = now_ns();
    for (; tail != head && slots[tail % SLOTS].due_ns <= now; tail++) deliver(&slots[tail % SLOTS]);
    uint64_t wait = tail == head ? 1000000000u : slots[tail % SLOTS].due_ns - now;
    struct timespec timeout = {(time_t)(wait / 1000000000u), (long)(wait % 1000000000u)};
    if (ppoll(ports, (nfds_t)port_count + 1, &timeout, NULL) < 0 && errno != EINTR) fail("ppoll");
    for (int i = 0; i < port_count; i++)
      if (ports[i].revents) take(i, delay_ns);
  }
  printf("%llu\n", (unsigned long long)drops);
  return 0;
}
