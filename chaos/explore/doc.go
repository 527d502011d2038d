// Package explore searches for the smallest set of faults that breaks what must hold. It runs one request
// again and again, each time with other calls of it disturbed: first none, then each call alone, then
// pairs, and so on. It knows which runs need not be made: sets that contain one that is known to break,
// sets whose faults cannot all act, and sets of which every service has seen its part before.
//
// The search is pure: a [Runner] makes the runs. With the same runs it does the same, so that one that was
// interrupted goes on from the runs that it had made.
package explore
