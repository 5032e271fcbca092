// The battery's peer for java.net.http.WebSocket, which is a client: java Peer.java
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.nio.ByteBuffer;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.LinkedBlockingQueue;

class Peer implements WebSocket.Listener {
	static final HttpClient client = HttpClient.newHttpClient();

	public static void main(String[] args) throws Exception {
		var urls = new BufferedReader(new InputStreamReader(System.in));
		for (String url; (url = urls.readLine()) != null; ) {
			var peer = new Peer();
			client.newWebSocketBuilder()
				.subprotocols("battery.wsstream")
				.buildAsync(URI.create(url), peer)
				.thenAccept(ws -> new Thread(() -> peer.obey(ws)).start());
		}
	}

	record End(int code, String reason) {}

	// A listener asks for as many frames as it wants. This one asks for a message that is wanted.
	final BlockingQueue<Object> received = new LinkedBlockingQueue<>();
	final BlockingQueue<ByteBuffer> pongs = new LinkedBlockingQueue<>();
	final StringBuilder text = new StringBuilder();
	ByteBuffer binary = ByteBuffer.allocate(0);

	@Override
	public void onOpen(WebSocket ws) {}

	@Override
	public CompletionStage<?> onText(WebSocket ws, CharSequence data, boolean last) {
		text.append(data);
		if (last) {
			received.add(text.toString());
			text.setLength(0);
		} else {
			ws.request(1);
		}
		return null;
	}

	@Override
	public CompletionStage<?> onBinary(WebSocket ws, ByteBuffer data, boolean last) {
		var all = ByteBuffer.allocate(binary.remaining() + data.remaining());
		binary = all.put(binary).put(data).flip();
		if (last) {
			received.add(binary);
			binary = ByteBuffer.allocate(0);
		} else {
			ws.request(1);
		}
		return null;
	}

	@Override
	public CompletionStage<?> onPing(WebSocket ws, ByteBuffer data) {
		ws.request(1); // the client sends the pong
		return null;
	}

	@Override
	public CompletionStage<?> onPong(WebSocket ws, ByteBuffer data) {
		pongs.add(data);
		ws.request(1);
		return null;
	}

	@Override
	public CompletionStage<?> onClose(WebSocket ws, int code, String reason) {
		received.add(new End(code, reason));
		return null;
	}

	@Override
	public void onError(WebSocket ws, Throwable error) {
		System.err.println(error);
		received.add(new End(1006, ""));
	}

	// obey echoes and does as it is told, until the connection ends. One frame is always asked for:
	// otherwise a Close would not be seen.
	void obey(WebSocket ws) {
		try {
			ws.request(1);
			for (;;) {
				Object m = received.take();
				if (m instanceof End end) {
					var reason = end.reason.replace("\\", "\\\\").replace("\"", "\\\"");
					say("{\"closed\":{\"code\":%d,\"reason\":\"%s\"}}", end.code, reason);
					return;
				}
				try {
					if (m instanceof String s && s.startsWith("!")) {
						order(ws, s.substring(1));
					} else {
						send(ws, m);
					}
				} catch (CompletionException e) { // onClose or onError says why
					System.err.println(e);
				}
				ws.request(1);
			}
		} catch (InterruptedException e) {
			Thread.currentThread().interrupt();
		}
	}

	static void send(WebSocket ws, Object m) {
		if (m instanceof String s) {
			ws.sendText(s, true).join();
		} else {
			ws.sendBinary((ByteBuffer) m, true).join();
		}
	}

	void order(WebSocket ws, String text) throws InterruptedException {
		String[] args = text.split(" ", 3);
		switch (args[0]) {
		case "close" -> ws.sendClose(Integer.parseInt(args[1]), args[2]).join();
		case "ping" -> {
			ws.request(1);
			ws.sendPing(ByteBuffer.wrap(args[1].getBytes())).join();
			pongs.take();
			send(ws, "!pong " + args[1]);
		}
		case "fragments" -> { // each must be whole characters
			ws.sendText("水", false).join();
			ws.sendText("", false).join();
			ws.sendText("水", false).join();
			ws.sendText("水", true).join();
		}
		case "flood" -> {
			ws.request(1);
			int count = Integer.parseInt(args[1]), size = Integer.parseInt(args[2]);
			for (int i = 0; i < count; i++) {
				send(ws, ByteBuffer.allocate(size).putInt(0, i));
				if (i < 8 || i % 8 == 7) {
					say("{\"sent\":%d}", i + 1);
				}
			}
			send(ws, "!flooded");
		}
		case "sink" -> {
			Thread.sleep(Integer.parseInt(args[1]));
			send(ws, sink(ws));
		}
		default -> send(ws, "!no");
		}
	}

	String sink(WebSocket ws) throws InterruptedException {
		for (int n = 0; ; n++) {
			ws.request(1);
			Object m = received.take();
			if (m instanceof End) {
				received.add(m);
			}
			if (!(m instanceof ByteBuffer data)) {
				return "!sunk " + n;
			}
			if (data.getInt(0) != n) {
				return "!lost " + n;
			}
		}
	}

	static synchronized void say(String event, Object... args) {
		System.out.println(String.format(event, args));
	}
}
