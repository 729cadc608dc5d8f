'use strict'
exports.handler = async (event, context) => {
  console.log('saw', JSON.stringify(event), context.awsRequestId)
  switch (event.do) {
    case 'throw': throw new TypeError('no such thing')
    case 'exit': process.exit(3)
    case 'sleep': await new Promise(() => setInterval(() => {}, 1000))
  }
  return { event, arn: context.invokedFunctionArn, left: context.getRemainingTimeInMillis() > 0 }
}
exports.stream = awslambda.streamifyResponse(async (event, stream) => {
  stream.setContentType('text/plain')
  for (const piece of ['first ', 'second ', 'last']) stream.write(piece)
  stream.end()
})
