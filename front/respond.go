package front

import (
	"hash/crc32"
	"net/http"
	"strconv"

	"github.com/tule-cloud/tule/wire"
)

// send writes a response, with the request's ids and, where clients look for it,
// its sum in its head.
func (f *Front) send(c *call, res *wire.Response) {
	defer res.Release()
	res.Header.Set("X-Amzn-Requestid", c.req.ID)
	res.Header.Set("X-Amz-Request-Id", c.req.ID)
	if c.service != nil && c.service.Model.CRC32 && res.Stream == nil {
		res.Header.Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(res.Body)), 10))
	}
	if err := res.Send(c.w); err != nil && res.Stream != nil {
		// The only way left to say that the body is not whole is to break off.
		f.Logger.Warn("a streaming answer broke off", "id", c.req.ID, "error", err)
		panic(http.ErrAbortHandler)
	}
}
