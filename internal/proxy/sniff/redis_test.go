package sniff

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	goredis "github.com/redis/go-redis/v9"
)

func TestRedisReplies(t *testing.T) {
	tests := []struct {
		name  string
		steps []step
		want  []string
	}{
		{"get", []step{ask("*2\r\n$3\r\nget\r\n$9\r\nuser:4711\r\n"), answer("$5\r\nhello\r\n")},
			[]string{"client GET [GET user:?]"}},
		{"null", []step{ask("*2\r\n$3\r\nGET\r\n$1\r\na\r\n"), answer("$-1\r\n")}, []string{"client GET [GET a]"}},
		{"null of RESP3", []step{ask("*2\r\n$3\r\nGET\r\n$1\r\na\r\n"), answer("_\r\n")}, []string{"client GET [GET a]"}},
		{"inline", []step{ask("ping\r\n"), answer("+PONG\r\n")}, []string{"client PING [PING]"}},
		{"error", []step{ask("*2\r\n$4\r\nINCR\r\n$1\r\na\r\n"), answer("-ERR value is not an integer or out of range\r\n")},
			[]string{"client INCR [INCR a] ! ERR value is not an integer or out of range"}},
		{"error with a value", []step{ask("*1\r\n$3\r\nFOO\r\n"), answer("-ERR unknown command 'FOO', with args beginning with: 'x'\r\n")},
			[]string{"client FOO [FOO] ! ERR unknown command"}},
		{"script not loaded yet", []step{ask("*3\r\n$7\r\nEVALSHA\r\n$3\r\nabc\r\n$1\r\n0\r\n"), answer("-NOSCRIPT No matching script. Please use EVAL.\r\n")},
			[]string{"client EVALSHA [EVALSHA]"}},
		{"older server", []step{ask("*3\r\n$6\r\nclient\r\n$7\r\nsetinfo\r\n$1\r\nx\r\n"), answer("-ERR unknown subcommand\r\n")},
			[]string{"client CLIENT SETINFO [CLIENT SETINFO]"}},
		{"nested", []step{ask("*2\r\n$5\r\nHGETA\r\n$1\r\nh\r\n"), answer("*2\r\n*2\r\n:1\r\n*0\r\n%1\r\n+a\r\n$1\r\nb\r\n")},
			[]string{"client HGETA [HGETA]"}},
		{"attribute", []step{ask("*1\r\n$4\r\nPING\r\n"), answer("|1\r\n+ttl\r\n:3600\r\n+PONG\r\n")}, []string{"client PING [PING]"}},
		{"word", []step{ask("*3\r\n$6\r\nclient\r\n$7\r\nsetinfo\r\n$1\r\nx\r\n"), answer("+OK\r\n")},
			[]string{"client CLIENT SETINFO [CLIENT SETINFO]"}},
		{"exec", []step{ask("*1\r\n$4\r\nEXEC\r\n"), answer("*2\r\n+OK\r\n-WRONGTYPE Operation against a key\r\n")},
			[]string{"client EXEC [EXEC] ! WRONGTYPE Operation against a key"}},
		{"pipeline", []step{ask("*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nDEL\r\n$1\r\na\r\n"), answer("+PONG\r\n:1\r\n")},
			[]string{"client PING [PING]", "client DEL [DEL a]"}},
		{"closed", []step{ask("*1\r\n$4\r\nPING\r\n")}, []string{"client PING [PING] ! " + broken}},
		{"push", []step{ask("*1\r\n$4\r\nPING\r\n"), answer(">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n+PONG\r\n")},
			[]string{"client PING [PING]"}},
		{"subscribed, RESP2", []step{ask("*2\r\n$9\r\nSUBSCRIBE\r\n$4\r\nnews\r\n"),
			answer("*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$2\r\nhi\r\n")},
			[]string{"client SUBSCRIBE [SUBSCRIBE news]", "consumer receive news"}},
		{"reply off", []step{ask("*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$3\r\nOFF\r\n*1\r\n$4\r\nPING\r\n"), answer("+PONG\r\n")}, []string{}},
		{"not redis", []step{ask("\x16\x03\x01\x02"), answer("+PONG\r\n")}, []string{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			checkShown(t, shown(exchanges(t, "redis", tt.steps), "db.query.text"), tt.want...)
		})
	}
}

func TestRedisBytes(t *testing.T) {
	request, reply := "*2\r\n$3\r\nGET\r\n$1\r\na\r\n", "$70000\r\n"+strings.Repeat("x", 70000)+"\r\n"
	got := exchanges(t, "redis", []step{ask(request), answer(reply)})
	if len(got) != 1 || got[0].Sent != int64(len(request)) || got[0].Received != int64(len(reply)) {
		t.Errorf("got %+v, want %d and %d bytes", got, len(request), len(reply))
	}
}

// TestRedisPipeline checks that a pipeline of any length takes bounded memory, and that the commands after
// it are told apart again.
func TestRedisPipeline(t *testing.T) {
	const n = 5000
	var in, out strings.Builder
	for i := range n {
		key := fmt.Sprint("user:", i)
		fmt.Fprintf(&in, "*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n", len(key), key)
		out.WriteString("$1\r\nx\r\n")
	}
	got := exchanges(t, "redis", []step{ask(in.String()), answer(out.String()), ask("*1\r\n$4\r\nPING\r\n"), answer("+PONG\r\n")})
	if len(got) != maxPending+1 {
		t.Fatalf("%d exchanges, want %d", len(got), maxPending+1)
	}
	run := got[maxPending-1]
	if size := value(run, "db.operation.batch.size"); run.Name != "GET" || size != fmt.Sprint(n-maxPending+1) {
		t.Errorf("the rest is %s of %s", run.Name, size)
	}
	if got[maxPending].Name != "PING" {
		t.Errorf("then %s", got[maxPending].Name)
	}
}

func TestRedisSecrets(t *testing.T) {
	checkSecret(t, "redis", []step{
		ask("*3\r\n$4\r\nAUTH\r\n$4\r\nuser\r\n$7\r\nhunter2\r\n"), answer("+OK\r\n"),
		ask("*5\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$4\r\nAUTH\r\n$4\r\nuser\r\n$7\r\nhunter3\r\n"), answer("%1\r\n+a\r\n+b\r\n"),
		ask("*3\r\n$3\r\nSET\r\n$21\r\nsession:hunter4hunter\r\n$7\r\nhunter5\r\n"), answer("+OK\r\n"),
		ask("*2\r\n$4\r\nWHAT\r\n$7\r\nhunter6\r\n"), answer("-ERR 'hunter7'\r\n"),
	}, "hunter2", "hunter3", "hunter5", "hunter6", "hunter7")
}

// TestRedisReal reads along with a real client and a server.
func TestRedisReal(t *testing.T) {
	for _, protocol := range []int{2, 3} {
		t.Run(fmt.Sprint("RESP", protocol), func(t *testing.T) {
			rec := record(t, miniredis.RunT(t).Addr())
			c := goredis.NewClient(&goredis.Options{Addr: rec.addr(), Protocol: protocol, DisableIdentity: true,
				MaintNotificationsConfig: nil, PoolSize: 1})
			defer c.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			use(ctx, t, c)
			got := shown(rec.told(t, "redis"), "db.query.text")
			for i, line := range got {
				if strings.HasPrefix(line, "client HELLO") || strings.HasPrefix(line, "client CLIENT") {
					got[i] = ""
				}
			}
			checkSame(t, compact(got),
				"client SET [SET user:?:name]", "client GET [GET user:?:name]", "client GET [GET nobody]",
				"client INCR [INCR user:?:name] ! ERR value is not an integer or out of range",
				"client MULTI [MULTI]", "client INCR [INCR n]", "client EXPIRE [EXPIRE n]", "client EXEC [EXEC]",
				"client LPUSH [LPUSH queue]", "client BLPOP [BLPOP queue]",
				"client PUBLISH [PUBLISH orders.?]",
				"client SUBSCRIBE [SUBSCRIBE orders.?]", "consumer receive orders.?")
		})
	}
}

func compact(lines []string) []string {
	var kept []string
	for _, l := range lines {
		if l != "" {
			kept = append(kept, l)
		}
	}
	return kept
}

func use(ctx context.Context, t *testing.T, c *goredis.Client) {
	t.Helper()
	sub := c.Subscribe(ctx, "orders.4711")
	defer sub.Close()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(c.Set(ctx, "user:4711:name", strings.Repeat("x", 100_000), 0).Err())
	must(c.Get(ctx, "user:4711:name").Err())
	if err := c.Get(ctx, "nobody").Err(); err != goredis.Nil {
		t.Fatal(err)
	}
	if err := c.Incr(ctx, "user:4711:name").Err(); err == nil {
		t.Fatal("a string was counted")
	}
	_, err := c.TxPipelined(ctx, func(p goredis.Pipeliner) error {
		p.Incr(ctx, "n")
		p.Expire(ctx, "n", time.Minute)
		return nil
	})
	must(err)
	must(c.LPush(ctx, "queue", "a").Err())
	must(c.BLPop(ctx, time.Second, "queue").Err())
	_, err = sub.Receive(ctx)
	must(err)
	must(c.Publish(ctx, "orders.4711", "paid").Err())
	_, err = sub.ReceiveMessage(ctx)
	must(err)
}

func FuzzRedis(f *testing.F) {
	fuzz(f, "redis",
		[]step{ask("*2\r\n$3\r\nGET\r\n$1\r\na\r\nPING\r\n"), answer("$1\r\nx\r\n*1\r\n%1\r\n+a\r\n_\r\n")},
		[]step{ask("*2\r\n$9\r\nSUBSCRIBE\r\n$4\r\nnews\r\n"), answer(">3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$2\r\nhi\r\n|1\r\n+a\r\n+b\r\n-ERR x\r\n")})
}

func BenchmarkRedisGet(b *testing.B) {
	request, reply := []byte("*2\r\n$3\r\nGET\r\n$9\r\nuser:4711\r\n"), []byte("$5\r\nhello\r\n")
	bench(b, "redis", step{Request, request}, step{Response, reply})
}
