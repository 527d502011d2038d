//go:build !linux

package proxy

// move moves n bytes to another wire. It returns how many it did, and why they are fewer: what the reading said, io.EOF
// at the end, or the writing.
func (w *wire) move(to *wire, n int64) (moved int64, rerr, werr error) { return w.copyTo(to, n) }
