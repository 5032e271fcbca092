/* The battery's peer for libwebsockets: lws server|client. See battery.go. */
#include <libwebsockets.h>
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUBPROTOCOL "battery.wsstream"

/* A message, or a part of one, that waits until the socket takes it. */
struct out {
	struct out *next;
	int how; /* as lws_write has it */
	size_t len;
	unsigned char data[];
};

struct session {
	unsigned char *in; /* the message that is received */
	size_t in_len;
	struct out *first, **last;
	struct out *writing;
	uint32_t flooded, flood_count; /* messages of a flood */
	size_t flood_size;
	int sinking;
	uint32_t sunk;
	char ping[64];
	int code;
	char reason[124];
};

static struct lws_context *context;

static void say_end(struct session *s)
{
	printf("{\"closed\":{\"code\":%d,\"reason\":\"%s\"}}\n", s->code, s->reason);
}

static void send_part(struct lws *wsi, struct session *s, const void *data, size_t len, int how)
{
	struct out *o = malloc(sizeof *o + LWS_PRE + len);
	o->next = NULL;
	o->how = how;
	o->len = len;
	if (len)
		memcpy(o->data + LWS_PRE, data, len);
	*s->last = o;
	s->last = &o->next;
	lws_callback_on_writable(wsi);
}

static void send_text(struct lws *wsi, struct session *s, const char *text)
{
	send_part(wsi, s, text, strlen(text), LWS_WRITE_TEXT);
}

static void flood(struct lws *wsi, struct session *s)
{
	unsigned char *b = calloc(1, s->flood_size);
	uint32_t n = htonl(s->flooded++);
	memcpy(b, &n, 4);
	send_part(wsi, s, b, s->flood_size, LWS_WRITE_BINARY);
	free(b);
	if (s->flooded <= 8 || s->flooded % 8 == 0)
		printf("{\"sent\":%u}\n", s->flooded);
	if (s->flooded == s->flood_count)
		send_text(wsi, s, "!flooded");
}

/* Sends what is next. libwebsockets calls back when the socket takes more. */
static int writable(struct lws *wsi, struct session *s)
{
	free(s->writing);
	s->writing = NULL;
	if (!s->first && s->flooded < s->flood_count)
		flood(wsi, s);
	struct out *o = s->first;
	if (!o)
		return 0;
	s->first = o->next;
	if (!s->first)
		s->last = &s->first;
	/* With compression, libwebsockets reads the buffer until it calls back again. */
	s->writing = o;
	if (lws_write(wsi, o->data + LWS_PRE, o->len, o->how) < 0)
		return -1;
	lws_callback_on_writable(wsi);
	return 0;
}

static int order(struct lws *wsi, struct session *s, char *text)
{
	unsigned code, a, b;
	char answer[80];
	int at = 0;
	if (sscanf(text, "close %u %n", &code, &at) == 1) {
		lws_close_reason(wsi, code, (unsigned char *)text + at, strlen(text + at));
		return -1; /* ends the connection with this reason */
	} else if (sscanf(text, "ping %63s", s->ping) == 1) {
		send_part(wsi, s, s->ping, strlen(s->ping), LWS_WRITE_PING);
	} else if (!strcmp(text, "fragments")) {
		send_part(wsi, s, "\xe6\xb0", 2, LWS_WRITE_TEXT | LWS_WRITE_NO_FIN);
		send_part(wsi, s, "", 0, LWS_WRITE_CONTINUATION | LWS_WRITE_NO_FIN);
		send_part(wsi, s, "\xb4\xe6", 2, LWS_WRITE_CONTINUATION | LWS_WRITE_NO_FIN);
		send_part(wsi, s, "\xb0\xb4\xe6\xb0\xb4", 5, LWS_WRITE_CONTINUATION);
	} else if (sscanf(text, "flood %u %u", &a, &b) == 2) {
		s->flooded = 0;
		s->flood_count = a;
		s->flood_size = b;
		lws_callback_on_writable(wsi);
	} else if (sscanf(text, "sink %u", &a) == 1) {
		s->sinking = 1;
		s->sunk = 0;
		lws_rx_flow_control(wsi, 0);
		lws_set_timer_usecs(wsi, a * LWS_US_PER_MS);
	} else if (!strcmp(text, "sunk") && s->sinking) {
		s->sinking = 0;
		snprintf(answer, sizeof answer, "!sunk %u", s->sunk);
		send_text(wsi, s, answer);
	} else {
		send_text(wsi, s, "!no");
	}
	return 0;
}

static int received(struct lws *wsi, struct session *s, int binary)
{
	if (!binary && s->in_len && s->in[0] == '!') {
		s->in[s->in_len] = 0;
		return order(wsi, s, (char *)s->in + 1);
	}
	if (binary && s->sinking) {
		uint32_t n;
		char answer[80];
		memcpy(&n, s->in, 4);
		if (ntohl(n) != s->sunk) {
			snprintf(answer, sizeof answer, "!lost %u", s->sunk);
			send_text(wsi, s, answer);
		}
		s->sunk++;
		return 0;
	}
	send_part(wsi, s, s->in, s->in_len, binary ? LWS_WRITE_BINARY : LWS_WRITE_TEXT);
	return 0;
}

static char url[256]; /* a client's, which main has read */

static void dial(void)
{
	static char copy[256];
	const char *scheme, *host, *path;
	int port;
	strcpy(copy, url);
	if (lws_parse_uri(copy, &scheme, &host, &port, &path))
		return;
	struct lws_client_connect_info info = {
		.context = context,
		.address = host,
		.port = port,
		.path = "/",
		.host = host,
		.protocol = SUBPROTOCOL,
		.local_protocol_name = SUBPROTOCOL,
	};
	lws_client_connect_via_info(&info);
}

static int callback(struct lws *wsi, enum lws_callback_reasons why, void *user, void *in, size_t len)
{
	struct session *s = user;
	switch (why) {
	case LWS_CALLBACK_ESTABLISHED:
	case LWS_CALLBACK_CLIENT_ESTABLISHED:
		memset(s, 0, sizeof *s);
		s->last = &s->first;
		s->code = 1006;
		break;
	case LWS_CALLBACK_RECEIVE:
	case LWS_CALLBACK_CLIENT_RECEIVE:
		if (lws_is_first_fragment(wsi))
			s->in_len = 0;
		s->in = realloc(s->in, s->in_len + len + 1);
		memcpy(s->in + s->in_len, in, len);
		s->in_len += len;
		if (lws_is_final_fragment(wsi) && !lws_remaining_packet_payload(wsi))
			return received(wsi, s, lws_frame_is_binary(wsi));
		break;
	case LWS_CALLBACK_RECEIVE_PONG:
	case LWS_CALLBACK_CLIENT_RECEIVE_PONG: {
		char answer[140];
		snprintf(answer, sizeof answer, "!pong %.*s", (int)len, (char *)in);
		send_text(wsi, s, answer);
		break;
	}
	case LWS_CALLBACK_SERVER_WRITEABLE:
	case LWS_CALLBACK_CLIENT_WRITEABLE:
		return writable(wsi, s);
	case LWS_CALLBACK_TIMER:
		lws_rx_flow_control(wsi, 1);
		break;
	case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
		if (len >= 2) {
			unsigned char *data = in;
			s->code = data[0] << 8 | data[1];
			snprintf(s->reason, sizeof s->reason, "%.*s", (int)len - 2, (char *)data + 2);
		}
		break;
	case LWS_CALLBACK_CLOSED:
	case LWS_CALLBACK_CLIENT_CLOSED:
		say_end(s);
		while (s->first) {
			struct out *o = s->first;
			s->first = o->next;
			free(o);
		}
		free(s->writing);
		free(s->in);
		break;
	case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
		fprintf(stderr, "no connection: %s\n", in ? (char *)in : "");
		break;
	case LWS_CALLBACK_EVENT_WAIT_CANCELLED:
		if (url[0]) {
			dial();
			url[0] = 0;
		}
		break;
	default:
		break;
	}
	return 0;
}

/* The battery gives a URL only after the connection before has ended. */
static void *read_urls(void *unused)
{
	char line[256];
	while (fgets(line, sizeof line, stdin)) {
		line[strcspn(line, "\n")] = 0;
		strcpy(url, line);
		lws_cancel_service(context);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static const struct lws_protocols protocols[] = {
		{SUBPROTOCOL, callback, sizeof(struct session), 64 << 10, 0, NULL, 0},
		{NULL, NULL, 0, 0, 0, NULL, 0},
	};
	static const struct lws_extension extensions[] = {
		{"permessage-deflate", lws_extension_callback_pm_deflate,
		 "permessage-deflate; client_max_window_bits"},
		{NULL, NULL, NULL},
	};
	int server = argc > 1 && !strcmp(argv[1], "server");
	struct lws_context_creation_info info = {
		.port = server ? 0 : CONTEXT_PORT_NO_LISTEN,
		.iface = server ? "127.0.0.1" : NULL,
		.protocols = protocols,
		.extensions = extensions,
		.gid = -1,
		.uid = -1,
	};
	setvbuf(stdout, NULL, _IOLBF, 0);
	lws_set_log_level(LLL_ERR | LLL_WARN, NULL);
	context = lws_create_context(&info);
	if (!context)
		return 1;
	if (server) {
		struct lws_vhost *vhost = lws_get_vhost_by_name(context, "default");
		printf("{\"url\":\"ws://127.0.0.1:%d/\"}\n", lws_get_vhost_listen_port(vhost));
	} else {
		pthread_t reader;
		pthread_create(&reader, NULL, read_urls, NULL);
	}
	while (lws_service(context, 0) >= 0)
		;
	return 0;
}
