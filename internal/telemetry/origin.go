package telemetry

import "sync"

// origin is what a resource says, decoded.
type origin struct {
	service, instance string
	attrs             []Attr
}

// origins are the resources that were decoded last: nearly all spans have one of a few. What is nil decodes each anew.
type origins struct {
	mu  sync.Mutex
	all map[string]*origin // by their bytes
}

// maxOrigins is how many are kept.
const maxOrigins = 1024

func (o *origins) of(b []byte) *origin {
	if o == nil {
		return decodeOrigin(b)
	}
	o.mu.Lock()
	known := o.all[string(b)]
	o.mu.Unlock()
	if known != nil {
		return known
	}
	known = decodeOrigin(b)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.all == nil || len(o.all) >= maxOrigins {
		o.all = map[string]*origin{}
	}
	o.all[string(b)] = known
	return known
}

func decodeOrigin(b []byte) *origin {
	o := &origin{attrs: unique(decodePairs(b, 1))}
	for _, a := range o.attrs {
		switch a.Key {
		case "service.name":
			o.service = Format(a.Value)
		case "service.instance.id":
			o.instance = Format(a.Value)
		}
	}
	return o
}
