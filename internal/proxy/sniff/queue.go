package sniff

// queue is a ring of things that wait, first in, first out. Its zero value is empty. It grows to
// maxPending and no further.
type queue[T any] struct {
	ring []T
	head int
	n    int
}

func (q *queue[T]) len() int { return q.n }

func (q *queue[T]) full() bool { return q.n >= maxPending }

// push adds v. The caller looks first whether there is room.
func (q *queue[T]) push(v T) {
	if q.n == len(q.ring) {
		ring := make([]T, max(4, 2*len(q.ring)))
		for i := range q.n {
			ring[i] = *q.at(i)
		}
		q.ring, q.head = ring, 0
	}
	q.ring[(q.head+q.n)%len(q.ring)] = v
	q.n++
}

// at returns the i-th, the first being 0.
func (q *queue[T]) at(i int) *T { return &q.ring[(q.head+i)%len(q.ring)] }

func (q *queue[T]) pop() T {
	v := *q.at(0)
	var zero T
	*q.at(0) = zero
	q.head = (q.head + 1) % len(q.ring)
	q.n--
	return v
}
