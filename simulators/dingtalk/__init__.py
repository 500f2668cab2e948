"""钉钉 DingTalk as a real server: both API generations, official OA approval, callbacks, and a page to approve on."""
