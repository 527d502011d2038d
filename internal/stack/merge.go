package stack

// merge lays over on base: mappings are merged key by key, anything else is replaced, and a key with
// nothing behind it is taken away. health is replaced whole, since it is one choice of five.
func merge(base, over *node) *node {
	if base == nil || !isMapping(base) || !isMapping(over) {
		return over
	}
	out := &node{kind: base.kind, pos: base.pos}
	index := map[string]int{}
	for i, k := range base.keys {
		index[k.text] = i
		out.keys, out.values = append(out.keys, k), append(out.values, base.values[i])
	}
	for i, k := range over.keys {
		at, there := index[k.text]
		switch v := over.values[i]; {
		case !there:
			out.keys, out.values = append(out.keys, k), append(out.values, v)
		case k.text == "health":
			out.values[at] = v
		default:
			out.values[at] = merge(out.values[at], v)
		}
		if there {
			out.keys[at] = k
		}
	}
	return out.without(over)
}

// without drops the keys that over takes away.
func (n *node) without(over *node) *node {
	gone := map[string]bool{}
	for i, k := range over.keys {
		gone[k.text] = over.values[i].empty()
	}
	out := &node{kind: n.kind, pos: n.pos}
	for i, k := range n.keys {
		if !gone[k.text] {
			out.keys, out.values = append(out.keys, k), append(out.values, n.values[i])
		}
	}
	return out
}
