package sniff

// Bounds of prepared statements.
const (
	maxPrepared      = 160
	maxPreparedTexts = 8 << 10
)

// prepared are the prepared statements of one connection, by number or by the hash of their names. Its zero value is
// empty. Where there are too many, all are forgotten: what is executed then is called EXECUTE until it is prepared
// again.
type prepared struct {
	known map[uint64]*statement
	size  int // of all texts
}

func (p *prepared) put(key uint64, st *statement) {
	if p.known == nil {
		p.known = make(map[uint64]*statement)
	}
	p.drop(key) // the name may stand for another text now
	if len(p.known) >= maxPrepared {
		clear(p.known)
		p.size = 0
	}
	if p.size+len(st.text) > maxPreparedTexts {
		st = st.short()
	}
	p.size += len(st.text)
	p.known[key] = st
}

func (p *prepared) drop(key uint64) {
	if st := p.known[key]; st != nil {
		p.size -= len(st.text)
		delete(p.known, key)
	}
}
