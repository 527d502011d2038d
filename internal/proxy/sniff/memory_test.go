package sniff

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
)

// hostile are streams that make a parser keep as much as it can: everything new, nothing answered.
var hostile = map[string]func() []step{
	"redis": func() []step {
		var b strings.Builder
		for i := range 2000 {
			name := fmt.Sprintf("%c%c%s", 'A'+i%26, 'A'+i/26%26, strings.Repeat("X", 20))
			key := strings.Repeat(name+":", 8)
			fmt.Fprintf(&b, "*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n*1\r\n$%d\r\n%s\r\n", len(key), key, len(name), name)
		}
		return []step{ask(b.String() + "*2\r\n$3\r\nSET\r\n$9000\r\n" + strings.Repeat("x", 4000))}
	},
	"postgres": func() []step {
		steps := pgOpened[:len(pgOpened):len(pgOpened)]
		for i := range 1000 {
			steps = append(steps, ask(pg(fmt.Sprintf("P%s%d\x00SELECT %s%d FROM t%d\x00\x00\x00", strings.Repeat("n", 90), i, strings.Repeat("c,", 2000), i, i),
				fmt.Sprintf("Bportal%d\x00%s%d\x00\x00\x00\x00\x00\x00\x00", i, strings.Repeat("n", 90), i))))
		}
		for i := range 100 {
			steps = append(steps, ask(pg(fmt.Sprintf("QSELECT %s FROM u%d\x00", strings.Repeat("d,", 600), i))))
		}
		return append(steps, ask(pg("Q" + strings.Repeat("x", 9000))[:8000]))
	},
	"mysql": func() []step {
		steps := myOpened(0)
		for i := range 1000 {
			steps = append(steps, ask(my(0, fmt.Sprintf("\x16SELECT %s%d FROM t%d", strings.Repeat("c,", 2000), i, i))),
				answer(my(1, string([]byte{0, byte(i), byte(i >> 8), 0, 0, 0, 0, 0, 0, 0, 0, 0}))))
		}
		for i := range 100 {
			steps = append(steps, ask(my(0, fmt.Sprintf("\x03SELECT %s FROM u%d", strings.Repeat("d,", 600), i))))
		}
		return append(steps, ask(my(0, "\x03"+strings.Repeat("x", 9000))[:8000]))
	},
	"amqp": func() []step {
		steps := aOpened[:len(aOpened):len(aOpened)]
		for i := range 200 {
			m := aMethod(amqpConfirmSelect, byte(1)) + aMethod(amqpBasicPublish, uint16(0), strings.Repeat("e", i), strings.Repeat("k.", 100), byte(0)) + aMessage("x", aHeaders()) +
				aMethod(amqpConsume, uint16(0), strings.Repeat("q.", 100), fmt.Sprintf("%s%d", strings.Repeat("t", 200), i), byte(0))
			data := []byte(m)
			for at := 0; at < len(data); at += 8 + int(data[at+3])<<24 + int(data[at+4])<<16 + int(data[at+5])<<8 + int(data[at+6]) {
				data[at+2] = byte(i)
			}
			steps = append(steps, ask(string(data)))
		}
		return steps
	},
	"nats": func() []step {
		var b strings.Builder
		for i := range 1000 {
			b.WriteString(natsHPub("HPUB", fmt.Sprintf("%s%c%c _INBOX.%d", strings.Repeat("s.", 100), 'a'+i%26, 'a'+i/26%26, i), "Traceparent: "+aParent, "x"))
		}
		return []step{ask(b.String() + "HPUB a 4000 4000\r\n" + strings.Repeat("x", 3000))}
	},
	"smtp": func() []step {
		return []step{ask(strings.Repeat("MAIL FROM:<a>\r\n", 120) + strings.Repeat("x", 9000))}
	},
}

// TestMemory checks that a connection takes at most 64 KiB, whatever its peers say.
func TestMemory(t *testing.T) {
	const conns, limit = 4, 64 << 10
	for _, protocol := range protocols {
		steps := hostile[protocol.name]()
		parsers := make([]Parser, conns)
		before := heap()
		for i := range parsers {
			r := rand.New(rand.NewPCG(uint64(i), 1))
			parsers[i] = protocol.open()
			for _, s := range steps {
				for data := s.data; len(data) > 0; {
					n := 1 + r.IntN(min(len(data), 1000))
					parsers[i].Feed(moment, s.dir, data[:n], func(Exchange) {})
					data = data[n:]
				}
			}
		}
		each := (heap() - before) / conns
		t.Logf("%s: %d bytes each", protocol.name, each)
		if each > limit {
			t.Errorf("%s: %d bytes each, want at most %d", protocol.name, each, limit)
		}
		runtime.KeepAlive(parsers)
		runtime.KeepAlive(steps)
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
