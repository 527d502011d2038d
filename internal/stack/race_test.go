//go:build race

package stack

// raceDetector multiplies the memory of a process.
const raceDetector = true
