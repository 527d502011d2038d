package proxy

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// publisher is a caller that publishes and a callee that confirms, over a connection whose messages faults act on.
type publisher struct {
	*spoken
	rng    *rand.Rand
	names  map[string]amqpTaken // what the caller calls messages, by their bodies
	newest map[uint16]uint64    // of its numbers
	twice  map[string]bool      // the caller is told with the second of two copies

	raw   []byte               // half a frame, for the callee
	body  []byte               // of the message that comes to it
	left  int                  // of that
	came  map[uint16]uint64    // newest of the callee's numbers
	waits map[amqpTaken]string // bodies of what it has not confirmed, by these

	want, told map[amqpTaken]bool // of what the caller is to be told, and was
}

func newPublisher(t *testing.T, seed uint64) *publisher {
	p := &publisher{spoken: speak(t, "amqp"), rng: rand.New(rand.NewPCG(seed, 0)),
		names: map[string]amqpTaken{}, newest: map[uint16]uint64{}, twice: map[string]bool{},
		came: map[uint16]uint64{}, waits: map[amqpTaken]string{}, want: map[amqpTaken]bool{}, told: map[amqpTaken]bool{}}
	p.says("AMQP\x00\x00\x09\x01")
	p.answers(methodOf(0, 10<<16|41, "")) // connection.open-ok
	p.says(methodOf(1, amqpConfirm, "\x01") + methodOf(2, amqpConfirm, "\x01"))
	return p
}

func frameOf(kind byte, channel uint16, payload string) string {
	b := binary.BigEndian.AppendUint16([]byte{kind}, channel)
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload)))
	return string(b) + payload + "\xce"
}

func methodOf(channel uint16, method uint32, args string) string {
	return frameOf(1, channel, string(binary.BigEndian.AppendUint32(nil, method))+args)
}

// published are the frames of a message.
func published(channel uint16, key, body string, most int) string {
	return methodOf(channel, amqpPublish, "\x00\x00\x00"+string(rune(len(key)))+key+"\x00") + contentOf(channel, body, most)
}

// contentOf are the frames of a header and a body.
func contentOf(channel uint16, body string, most int) string {
	size := string(binary.BigEndian.AppendUint64(nil, uint64(len(body))))
	all := frameOf(2, channel, "\x00\x3c\x00\x00"+size+"\x00\x00")
	for ; body != ""; body = body[min(most, len(body)):] {
		all += frameOf(3, channel, body[:min(most, len(body))])
	}
	return all
}

// publish sends a message under a routing key that names the faults which act on it, in pieces as they are read.
func (p *publisher) publish(channel uint16, key string, size, most int) {
	p.newest[channel]++
	m := amqpTaken{channel, p.newest[channel]}
	body := fmt.Sprint(key, m)
	body += strings.Repeat(" ", max(0, size-len(body)))
	all := published(channel, key, body, most)
	asked := len(all) <= maxTalk
	p.names[body], p.twice[body] = m, strings.Contains(key, "twice") && asked
	if strings.Contains(key, "confirm") && asked {
		p.want[m] = true // by the fault
	}
	for all != "" {
		n := min(len(all), 1+p.rng.IntN(bufferSize))
		p.arrive(p.says(all[:n]))
		all = all[n:]
		if held := len(p.up.held); held > maxTalk {
			p.t.Errorf("%d bytes are held", held)
		}
	}
	p.listen(p.caller.take())
}

// later lets the time pass for which a message waits for another one to go before it.
func (p *publisher) later() {
	time.Sleep(2 * swapTime)
	synctest.Wait()
	p.arrive(p.callee.take())
}

// arrive is the callee, to whom something comes.
func (p *publisher) arrive(b string) {
	p.raw = append(p.raw, b...)
	for len(p.raw) >= 7 {
		n := int(binary.BigEndian.Uint32(p.raw[3:]))
		if len(p.raw) < n+8 {
			return
		}
		kind, channel, payload := p.raw[0], binary.BigEndian.Uint16(p.raw[1:]), p.raw[7:7+n]
		p.raw = p.raw[n+8:]
		switch kind {
		case 2:
			p.body, p.left = nil, int(binary.BigEndian.Uint64(payload[4:]))
		case 3:
			p.body = append(p.body, payload...)
			if p.left -= n; p.left == 0 {
				p.number(channel, string(p.body))
			}
		}
	}
}

// number gives a message that came to the callee its number there.
func (p *publisher) number(channel uint16, body string) {
	p.came[channel]++
	m := amqpTaken{channel, p.came[channel]}
	if p.waits[m] = body; p.twice[body] {
		p.waits[m], p.twice[body] = "", false
	}
}

// confirm has the callee confirm a message, or all up to it.
func (p *publisher) confirm() {
	all := slices.SortedFunc(maps.Keys(p.waits), func(a, b amqpTaken) int { return int(a.tag) - int(b.tag) })
	if len(all) == 0 {
		return
	}
	last, multiple := all[p.rng.IntN(len(all))], byte(p.rng.IntN(2))
	for _, m := range all {
		if m != last && (multiple == 0 || m.channel != last.channel || m.tag > last.tag) {
			continue
		}
		if name, ok := p.names[p.waits[m]]; ok {
			p.want[name] = true
		}
		delete(p.waits, m)
	}
	p.listen(p.answers(string(amqpSettle(amqpAck, last.channel, last.tag, multiple))))
}

// listen is the caller, to whom confirmations come.
func (p *publisher) listen(b string) {
	p.t.Helper()
	for ; len(b) >= 21; b = b[21:] {
		m, multiple := amqpTaken{binary.BigEndian.Uint16([]byte(b[1:])), binary.BigEndian.Uint64([]byte(b[11:]))}, b[19]&1 != 0
		for p.told[m] = true; multiple && m.tag > 1; p.told[m] = true {
			m.tag--
		}
	}
	if !maps.Equal(p.told, p.want) {
		p.t.Fatalf("the caller is told of %v, want %v", p.told, p.want)
	}
}

// TestAMQPConfirms publishes on two channels under faults of every sort, and checks that the caller is told of each
// message by its own number when the callee confirms that, whatever was published before it and however long it is.
func TestAMQPConfirms(t *testing.T) {
	keys := []string{"plain", "plain", "drop", "drop.confirm", "twice", "swap", "twice.swap", "drop.swap"}
	faults := []*rule{matching("drop*", Action{Drop: true}), matching("drop.confirm", Action{Drop: true, Confirm: true}),
		matching("twice*", Action{Twice: true}), matching("*swap", Action{Swap: true})}
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			p := newPublisher(t, seed)
			defer p.talk.stop()
			for range p.rng.IntN(3) {
				p.publish(1, "plain", 0, 1<<17)
			}
			act(p.e, faults...)
			for range 20 {
				size, most := 0, 1<<17
				switch p.rng.IntN(30) {
				case 0:
					size = maxTalk - p.rng.IntN(200) // about as much with what its frames take
				case 1:
					size = maxTalk + p.rng.IntN(1<<16)
				case 2:
					size, most = 3*maxTalk, 2*maxTalk
				}
				p.publish(1+uint16(p.rng.IntN(2)), keys[p.rng.IntN(len(keys))], size, most)
				if p.rng.IntN(4) == 0 {
					p.later()
				}
				for range p.rng.IntN(3) {
					p.confirm()
				}
			}
		})
	}
}

// TestAMQPLongDelivery checks that a fault confirms a message behind one that the callee is in the middle of, also where
// that is in frames too long to be held.
func TestAMQPLongDelivery(t *testing.T) {
	for _, most := range []int{1 << 17, 2 * maxTalk} {
		p := newPublisher(t, 0)
		act(p.e, matching("*", Action{Drop: true, Confirm: true}))
		p.says(frameOf(8, 0, "")) // from here on faults act
		body := strings.Repeat("x", 3*maxTalk)
		want := methodOf(1, amqpDeliver, "\x01c\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x01k") + contentOf(1, body, most)
		got := ""
		for i, rest := 0, want; rest != ""; i++ {
			n := min(len(rest), bufferSize)
			got += p.answers(rest[:n])
			rest = rest[n:]
			if held := len(p.talk.on.rest()); held > maxTalk {
				t.Fatalf("%d bytes are held", held)
			}
			if i == 20 {
				got += p.says(published(1, "k", "x", most)) + p.caller.take()
			}
		}
		if ack := string(amqpSettle(amqpAck, 1, 1, 0)); got != want+ack {
			t.Errorf("in frames of %d: got %d bytes of %d, the last %q", most, len(got), len(want+ack), got[max(0, len(got)-len(ack)):])
		}
	}
}
