package plan

import "encoding/binary"

// FrameSize is the length of every frame. A plan follows its frame as Frame.A bytes.
const FrameSize = 9

// A Frame is what the two ends say to each other besides plans.
type Frame struct {
	Type byte
	A, B uint32
}

// Frames from Tule to the sandbox's first process.
const (
	FramePlan   = 'P' // A: length of the plan that follows, B: Version; files for the program come along
	FrameSignal = 'K' // A: signal for the program
	FrameStop   = 'F' // A: 1 stops every process (where no cgroup can freeze), 0 continues
	FrameListen = 'L' // A: length of "network address" that follows; answered by FrameSocket
)

// Frames from the sandbox's first process to Tule.
const (
	FrameReady   = 'R' // an Await was reached; B: Version
	FrameStarted = 'S' // the program runs; A: its pid inside
	FrameError   = 'E' // A: index of the operation that failed, B: errno. The process ends
	FrameExit    = 'X' // the program ended; A: exit code, B: signal. The process ends, once no companion is left
	FrameGone    = 'G' // a companion ended; A: its number, B: its wait status
	FrameSocket  = 'O' // A: errno or 0; the listening socket, or a Tun's device, comes along
)

// Encode returns the frame's bytes.
func (f Frame) Encode() [FrameSize]byte {
	var b [FrameSize]byte
	b[0] = f.Type
	binary.LittleEndian.PutUint32(b[1:], f.A)
	binary.LittleEndian.PutUint32(b[5:], f.B)
	return b
}

// ParseFrame is the inverse of Encode.
func ParseFrame(b [FrameSize]byte) Frame {
	return Frame{b[0], binary.LittleEndian.Uint32(b[1:]), binary.LittleEndian.Uint32(b[5:])}
}
