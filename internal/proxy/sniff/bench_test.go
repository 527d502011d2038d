package sniff

import "testing"

// bench measures one exchange: the steps are fed again and again.
func bench(b *testing.B, protocol string, steps ...step) { benchOn(b, New(protocol), steps...) }

func benchOn(b *testing.B, p Parser, steps ...step) {
	n := 0
	count := func(Exchange) { n++ }
	b.ReportAllocs()
	for b.Loop() {
		for _, s := range steps {
			p.Feed(moment, s.dir, s.data, count)
		}
	}
	if n < b.N {
		b.Fatalf("%d exchanges of %d", n, b.N)
	}
}
