package firehose

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"

	"github.com/klauspost/compress/snappy"

	api "github.com/tule-cloud/tule/api/firehose"
)

// extensions are what AWS appends to the names of compressed objects.
var extensions = map[string]string{
	api.CompressionFormatGzip: ".gz", api.CompressionFormatZip: ".zip", api.CompressionFormatSnappy: ".snappy", api.CompressionFormatHadoopSnappy: ".hsnappy",
}

// hadoopBlock is how much one block of Hadoop's snappy holds.
const hadoopBlock = 256 << 10

// compress gives data the form wanted. The entry of a ZIP archive has the name given.
func compress(format, name string, data []byte) ([]byte, error) {
	var b bytes.Buffer
	var w io.WriteCloser
	switch format {
	case api.CompressionFormatGzip:
		w = gzip.NewWriter(&b)
	case api.CompressionFormatSnappy: // framed
		w = snappy.NewBufferedWriter(&b)
	case api.CompressionFormatHadoopSnappy:
		return hadoopSnappy(data), nil
	case api.CompressionFormatZip:
		z := zip.NewWriter(&b)
		entry, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate})
		if err == nil {
			_, err = entry.Write(data)
		}
		if err != nil {
			return nil, err
		}
		return finish(&b, z)
	default:
		return data, nil
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	return finish(&b, w)
}

func finish(b *bytes.Buffer, w io.Closer) ([]byte, error) {
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// hadoopSnappy is blocks as Hadoop's codec has them: how long the data is, how long it is
// compressed, and that.
func hadoopSnappy(data []byte) []byte {
	var out []byte
	for len(data) > 0 {
		n := min(len(data), hadoopBlock)
		packed := snappy.Encode(nil, data[:n])
		out = binary.BigEndian.AppendUint32(out, uint32(n))
		out = binary.BigEndian.AppendUint32(out, uint32(len(packed)))
		out = append(out, packed...)
		data = data[n:]
	}
	return out
}
